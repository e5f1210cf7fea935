package stream

import (
	"bytes"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/internal/keyring"
)

// TestARecordIsWorthWhatItsSignatureSays changes one thing at a time of a signed record.
func TestARecordIsWorthWhatItsSignatureSays(t *testing.T) {
	t.Parallel()
	keys := testKeys()
	other, err := newRing([]keyring.Key{keyring.Generate(7)})
	if err != nil {
		t.Fatal(err)
	}
	value := []byte("a sale of 10.00")
	type what struct {
		ring            *ring
		topic           string
		record          Record
		signature, form []byte
	}
	for name, row := range map[string]struct {
		change func(w *what)
		want   Seal
	}{
		"nothing":                 {func(*what) {}, Genuine},
		"the key of the message":  {func(w *what) { w.record.Key = []byte("k") }, Genuine}, // nobody reads it
		"another topic":           {func(w *what) { w.topic = "b.orders" }, Forged},
		"a part of the topic":     {func(w *what) { w.topic, w.form = "a.order", []byte("s"+event.Format) }, Forged},
		"another partition":       {func(w *what) { w.record.Partition = 4 }, Forged},
		"another spool":           {func(w *what) { w.record.Spool[15]++ }, Forged},
		"the next sequence":       {func(w *what) { w.record.Seq++ }, Forged},
		"another value":           {func(w *what) { w.record.Value = []byte("a sale of 90.00") }, Forged},
		"a longer value":          {func(w *what) { w.record.Value = append(bytes.Clone(value), 0) }, Forged},
		"another format":          {func(w *what) { w.form = []byte("9") }, Forged},
		"no format":               {func(w *what) { w.form = nil }, Forged},
		"a format without end":    {func(w *what) { w.form = make([]byte, maxFormat+1) }, Forged},
		"no signature":            {func(w *what) { w.signature = nil }, Forged},
		"a short signature":       {func(w *what) { w.signature = w.signature[:16] }, Forged},
		"a long signature":        {func(w *what) { w.signature = append(w.signature, 0) }, Forged},
		"a flipped bit":           {func(w *what) { w.signature[16] ^= 1 }, Forged},
		"a key that is not there": {func(w *what) { w.signature[0] = 8 }, UnknownKey},
		"another network's key":   {func(w *what) { w.ring = other }, Forged},
		"no keys":                 {func(w *what) { w.ring = nil }, Forged},
	} {
		r := Record{Partition: 3, Spool: [16]byte{1}, Seq: 5, Value: value}
		w := what{keys, "a.orders", r, sealingOf("a.orders", 3).sign(nil, &r), []byte(event.Format)}
		row.change(&w)
		if got := w.ring.verify(w.topic, &w.record, w.signature, w.form); got != row.want {
			t.Errorf("%s: %d, want %d", name, got, row.want)
		}
	}
	if r := (Record{Partition: 3, Value: value}); keys.verify("a.orders", &r, sealingOf("a.orders", 3).sign(nil, &r), []byte(event.Format)) != Forged {
		t.Error("sequence 0 passes")
	}
}

func TestSigningAndVerifyingTakeNoMemory(t *testing.T) {
	r := Record{Partition: 3, Spool: [16]byte{1}, Seq: 5, Value: make([]byte, 300)}
	by, dst := sealingOf("a.orders", 3), make([]byte, 0, sealBytes)
	if n := testing.AllocsPerRun(100, func() { dst = by.sign(dst[:0], &r) }); n > 0 {
		t.Errorf("signing takes %v allocations", n)
	}
	keys, form := testKeys(), []byte(event.Format)
	if n := testing.AllocsPerRun(100, func() { _ = keys.verify("a.orders", &r, dst, form) }); n > 0 {
		t.Errorf("verifying takes %v allocations", n)
	}
}

// BenchmarkSeal signs and verifies records of 320 bytes.
func BenchmarkSeal(b *testing.B) {
	keys, r := testKeys(), Record{Partition: 3, Spool: [16]byte{1}, Seq: 5, Value: make([]byte, 320)}
	by := keys.first.take()
	by.name("tributary.orders", 3, []byte(event.Format))
	seal := by.sign(nil, &r)
	b.Run("sign", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			seal = by.sign(seal[:0], &r)
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if keys.verify("tributary.orders", &r, seal, []byte(event.Format)) != Genuine {
				b.Fatal("forged")
			}
		}
	})
	b.Run("batch of 500", func(b *testing.B) {
		records := make([]Record, 500)
		for i := range records {
			records[i] = r
		}
		var dst []byte
		for b.Loop() {
			dst = appendBatch(dst[:0], records, by, time.Now())
		}
	})
}
