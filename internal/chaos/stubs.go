package chaos

import "context"

func disk(context.Context, *Run) error     { return nil }
func fsync(context.Context, *Run) error    { return nil }
func outage(context.Context, *Run) error   { return nil }
func overload(context.Context, *Run) error { return nil }
