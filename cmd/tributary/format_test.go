package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADataFolderOfAnotherFormatIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		says  string // what the refusal says; empty where there is none
	}{
		{"nothing there", nil, ""},
		{"files of others", map[string]string{"lost+found/x": ""}, ""},
		{"this version's own", map[string]string{"format": "3\n", "spool/x": ""}, ""},
		{"engines from before", map[string]string{"engines/x": ""}, "has format 1, from before the first release"},
		{"a spool from before", map[string]string{"spool/x": ""}, "has format 1, from before the first release"},
		{"keys from before", map[string]string{"click-keys": "x"}, "has format 1, from before the first release"},
		{"a later version's", map[string]string{"format": "4"}, "has format 4 and this version works with format 3"},
		{"no number", map[string]string{"format": "two"}, `"two" is not a number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, content := range c.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.says == "" {
				for range 2 {
					if err := checkFolder(dir); err != nil {
						t.Fatal(err)
					}
				}
				return
			}
			for _, command := range [][]string{{"serve"}, {"demo"}, {"migrate"}, {"verify"}, {"spool", "drain", dir}} {
				_, err := tributary(context.Background(), t, nil, append(command, "--data", dir)...)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v gives %v; want %q", command, err, c.says)
				}
			}
		})
	}
}
