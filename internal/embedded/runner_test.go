package embedded

import "testing"

// A full disk ends an engine again and again; when there is room it has to come back by itself.
func TestAnEngineThatHasServedIsStartedAgainForEver(t *testing.T) {
	t.Parallel()
	s, _, _ := start(t, Config{Dir: t.TempDir(), Kafka: true, Throwaway: true})
	for range 11 { // more in a row than were once borne, with 21 s of pauses between
		was := s.Status(Kafka)
		if err := s.Kill(Kafka); err != nil {
			t.Fatal(err)
		}
		await(t, "it is back", func() bool { now := s.Status(Kafka); return now.Ready && now.Starts > was.Starts })
	}
}
