package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestADataFolderOfOthersIsRefused holds that nobody else can read, write or replace what an installation keeps.
func TestADataFolderOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		parent  os.FileMode
		mode    os.FileMode // 0: not there yet
		owner   int         // other than whoever runs the test; needs root
		refused string
	}{
		{"one of one's own", 0o700, 0o700, 0, ""},
		{"one that is not there yet", 0o755, 0, 0, ""},
		{"one in a folder like /tmp", 0o777 | os.ModeSticky, 0o700, 0, ""},
		{"a group's", 0o755, 0o770, 0, ""},
		{"everybody's", 0o755, 0o777, 0, "everybody may write"},
		{"everybody's, like /tmp", 0o755, 0o777 | os.ModeSticky, 0, "everybody may write"},
		{"in a folder of everybody", 0o777, 0o700, 0, "everybody may write"},
		{"another user's", 0o755, 0o700, 4242, "belongs to user 4242"},
		{"another user's, in a folder like /tmp", 0o777 | os.ModeSticky, 0o755, 4242, "belongs to user 4242"},
	} {
		if row.owner != 0 && os.Geteuid() != 0 {
			continue
		}
		parent := filepath.Join(t.TempDir(), "parent")
		dir := filepath.Join(parent, "data")
		for path, mode := range map[string]os.FileMode{parent: row.parent, dir: row.mode} {
			if mode == 0 {
				continue
			}
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		if row.owner != 0 {
			if err := os.Chown(dir, row.owner, row.owner); err != nil {
				t.Fatal(err)
			}
		}
		err := CheckOwner(dir)
		if (err == nil) != (row.refused == "") || err != nil && (!strings.Contains(err.Error(), row.refused) || !strings.Contains(err.Error(), "TRIBUTARY_DATA")) {
			t.Errorf("%s: %v, want %q", row.name, err, row.refused)
		}
		// A folder within it is no safer, and neither is one by another name.
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
		if err := CheckOwner(filepath.Join(link, "within")); (err == nil) != (row.refused == "" || row.refused == "belongs to user 4242" && row.parent&os.ModeSticky == 0 || strings.HasSuffix(row.name, "like /tmp") && row.owner == 0) {
			t.Errorf("within %s: %v", row.name, err)
		}
	}
}
