package clickhouse

// LoginStatements is for tests.
var LoginStatements = loginStatements
