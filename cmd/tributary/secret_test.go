package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tributary/internal/keyring"
)

// TestASecretThatOthersCanReadIsRefused holds S19: for secrets in files, and for the keys in the data folder.
func TestASecretThatOthersCanReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		mode os.FileMode
		ok   bool
	}{{0o600, true}, {0o400, true}, {0o440, true}, {0o640, true}, {0o644, false}, {0o604, false}, {0o660, false}, {0o666, false}, {0o444, false}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "click-keys")
		if err := os.WriteFile(path, []byte(keyring.Generate(1).Reveal()+"\n"), row.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, row.mode); err != nil {
			t.Fatal(err)
		}
		_, err := tributary(t.Context(), t, []string{"TRIBUTARY_CLICK_KEYS_FILE=" + path}, "config")
		if (err == nil) != row.ok || err != nil && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o as a setting: %v", row.mode, err)
		}
		keys, err := clickKeys.orMade(&config{Data: dir})
		if (err == nil) != row.ok || row.ok && len(keys) != 1 {
			t.Errorf("mode %04o in the data folder: %v", row.mode, err)
		}
	}
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecret(long); err == nil {
		t.Error("a file of any length is a secret")
	}
	dir := t.TempDir()
	if _, err := clickKeys.orMade(&config{Data: dir}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "click-keys")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keys it makes have mode %v, %v", info.Mode(), err)
	}
}

// TestSampleSecretsAreRefused holds S19: what stands in instructions does not start, and is not repeated in the refusal.
func TestSampleSecretsAreRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		setting string
		refused string
	}{
		{"TRIBUTARY_POSTGRES_URL=postgres://tributary:changeme@db.example:5432/tributary", "stands in instructions"},
		{"TRIBUTARY_POSTGRES_URL=postgres://tributary:Password@10.0.0.7/tributary", "stands in instructions"},
		{"TRIBUTARY_POSTGRES_URL=postgres://tributary:n0t-in-any-manual@db.example/tributary", ""},
		{"TRIBUTARY_POSTGRES_URL=postgres://tributary:changeme@127.0.0.1/tributary", ""},
		{"TRIBUTARY_CLICKHOUSE_URL=clickhouse://tributary:tributary@clickhouse:9000/tributary", "stands in instructions"},
		{"TRIBUTARY_CLICKHOUSE_URL=clickhouse://tributary:s3cr3t-%zz@clickhouse:9000/tributary", "not an address"},
	} {
		_, err := tributary(t.Context(), t, []string{row.setting}, "config")
		if (err == nil) != (row.refused == "") || err != nil && !strings.Contains(err.Error(), row.refused) {
			t.Errorf("%s: %v, want %q", row.setting, err, row.refused)
		}
		for _, secret := range []string{"changeme", "Password@", "s3cr3t"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the refusal repeats the password: %v", err)
			}
		}
	}
	for _, key := range []string{"1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "1:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"} {
		a := &config{Data: t.TempDir(), ClickKeys: key}
		if _, err := newRiver(a, a.logger(testLog{t}), stores{}, clickKeys); err == nil {
			t.Errorf("the click key %s starts", key)
		}
	}
}

// TestEverybodyIsNotAProxy holds S26: there is no way to believe X-Forwarded-For without naming who may write it.
func TestEverybodyIsNotAProxy(t *testing.T) {
	t.Parallel()
	for networks, ok := range map[string]bool{
		"10.0.0.0/8": true, "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16": true, "203.0.113.7/32": true, "2001:db8::/32": true, "fc00::/7": true, "::1/128": true,
		"0.0.0.0/0": false, "::/0": false, "0.0.0.0/1,128.0.0.0/1": false, "2000::/3": false, "10.0.0.0/8,0.0.0.0/0": false, "10.0.0.1": false, "proxy": false,
	} {
		_, err := tributary(t.Context(), t, []string{"TRIBUTARY_TRUSTED_PROXIES=" + networks}, "config")
		if (err == nil) != ok {
			t.Errorf("%s: %v", networks, err)
		}
	}
}
