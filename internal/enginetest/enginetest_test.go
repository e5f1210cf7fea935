package enginetest_test

import (
	"testing"

	"tributary/internal/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func TestEachTestGetsItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			pool := enginetest.Postgres(t)
			var n int
			if err := pool.QueryRow(t.Context(), "CREATE TABLE only_here (a int); SELECT 1").Scan(&n); err != nil {
				if _, err := pool.Exec(t.Context(), "CREATE TABLE only_here (a int)"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestCH(t *testing.T) {
	t.Parallel()
	t.Log(enginetest.ClickHouse(t))
}

func TestKafka(t *testing.T) {
	t.Parallel()
	t.Log(enginetest.Kafka(t))
}
