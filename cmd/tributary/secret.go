package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// maxSecret bounds a file that holds a secret.
const maxSecret = 64 << 10

// readSecret reads a file that holds a secret, and refuses one that others than its owner and group may read: what is in
// it is then known to every process of the machine.
func readSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return "", fmt.Errorf("%s has mode %04o, so others than its owner can get at it: chmod 600 it (for a secret of Compose or Kubernetes, set mode or defaultMode to 0400)", path, mode)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxSecret {
		return "", fmt.Errorf("%s has more than %d bytes: it is no secret of ours", path, maxSecret)
	}
	return strings.TrimSpace(string(content)), nil
}

// visibleSecrets warns of secrets on the command line, which every user of the machine can read in its list of processes.
func visibleSecrets(fs *pflag.FlagSet) (warnings []string) {
	for _, name := range secrets() {
		if f := fs.Lookup(name); f.Changed && len(f.Annotations["source"]) == 0 {
			warnings = append(warnings, fmt.Sprintf("--%s stands on the command line, where every user of this machine can read it: set %s or %s_FILE", name, envName(name), envName(name)))
		}
	}
	return warnings
}

// samplePasswords are those that stand in instructions, and that nobody outside this machine may be kept out by.
func samplePasswords() []string {
	return []string{
		"password", "passw0rd", "secret", "changeme", "change-me", "change_me", "changeit", "example", "sample", "default", "admin", "root", "test", "tributary",
		"postgres", "clickhouse", "kafka", "123456", "12345678", "your_password", "your-password", "xxx",
	}
}

// checkServer refuses the address of a server on another machine whose password is one of those, or that has a name and
// no password. It repeats neither.
func checkServer(flag, address string) error {
	u, err := url.Parse(address)
	if address == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--%s (%s) is not an address", flag, envName(flag)) // err would repeat it, with the password
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() == "localhost" || u.Hostname() == "" || err == nil && ip.IsLoopback() {
		return nil
	}
	password, set := u.User.Password()
	if set && slices.Contains(samplePasswords(), strings.ToLower(password)) {
		return fmt.Errorf("--%s (%s) has a password that stands in instructions: give the server at %s one of its own", flag, envName(flag), u.Host)
	}
	return nil
}

// checkProxies refuses networks that are none, and those that hold so many machines that trusting them means trusting
// everybody: whoever is in one can choose the address that is recorded for a visitor.
func checkProxies(networks []string) error {
	var problems []error
	for _, text := range networks {
		network, err := netip.ParsePrefix(text)
		least := 8
		if err == nil && network.Addr().Is6() {
			least = 32
			if private, _ := netip.ParsePrefix("fc00::/7"); private.Contains(network.Addr()) {
				least = 7
			}
		}
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("--trusted-proxies (%s) is %q: each must be a network such as 10.0.0.0/8", envName("trusted-proxies"), text))
		case network.Bits() < least:
			problems = append(problems, fmt.Errorf("--trusted-proxies (%s) is %q: that is everybody, and everybody could then choose their own address; name the proxies' network", envName("trusted-proxies"), text))
		}
	}
	return errors.Join(problems...)
}
