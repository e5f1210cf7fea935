package fire

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A volume that is not as full as the plan says would prove nothing.
func TestAVolumeIsFilledAndFreed(t *testing.T) {
	t.Parallel()
	v := &volume{name: "small", dir: filepath.Join(t.TempDir(), "data")}
	if err := errors.Join(os.Mkdir(v.dir, 0o700), os.WriteFile(filepath.Join(v.dir, "kept"), []byte("kept"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := v.mount(); errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a small volume needs root")
	} else if err != nil {
		t.Fatal(err)
	}
	write := func() error {
		name := filepath.Join(v.dir, "new")
		return errors.Join(os.WriteFile(name, make([]byte, 1<<20), 0o600), os.Remove(name))
	}
	for _, c := range []struct {
		share float64
		full  bool
	}{{0.5, false}, {0.96, false}, {1, true}} {
		if err := v.fill(c.share); err != nil {
			t.Fatal(err)
		}
		if err := write(); errors.Is(err, syscall.ENOSPC) != c.full {
			t.Errorf("writing to a volume of %.2f: %v", c.share, err)
		}
		if err := errors.Join(v.free(), write()); err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
	if err := v.unmount(); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(filepath.Join(v.dir, "kept")); err != nil || string(kept) != "kept" {
		t.Errorf("what was there before is %q: %v", kept, err)
	}
}
