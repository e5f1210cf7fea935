package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// addressesFile holds, while all engines of a folder are up, where they are: for other commands on the same folder.
func addressesFile(dir string) string { return filepath.Join(dir, "run", "addresses.json") }

// Running gives the addresses of the engines that another process keeps running on dir, and false when none does or they
// are not up yet.
func Running(dir string) (Addresses, bool) {
	content, err := os.ReadFile(addressesFile(dir))
	if err != nil {
		return Addresses{}, false
	}
	if unlock, err := lockDir(dir); err == nil { // nobody holds the folder: a crash left the file
		unlock()
		return Addresses{}, false
	}
	var a Addresses
	return a, json.Unmarshal(content, &a) == nil
}

// tell writes the addresses for Running; the returned function takes them back.
func (s *Supervisor) tell() (forget func(), err error) {
	dir, err := filepath.Abs(s.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("finding data folder: %w", err)
	}
	content, err := json.Marshal(s.addresses())
	if err != nil {
		return nil, fmt.Errorf("encoding addresses: %w", err)
	}
	return func() { _ = os.Remove(addressesFile(dir)) }, writeFile(addressesFile(dir), content)
}
