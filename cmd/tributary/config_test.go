package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSettingsComeFromFlagThenEnvironmentThenDefault(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(secret, []byte("1:c2VjcmV0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		environ []string
		args    []string
		want    string
	}{
		"default":            {want: "TRIBUTARY_PARTITIONS=6\n"},
		"environment":        {environ: []string{"TRIBUTARY_PARTITIONS=12"}, want: "TRIBUTARY_PARTITIONS=12\n"},
		"flag wins":          {environ: []string{"TRIBUTARY_PARTITIONS=12"}, args: []string{"--partitions", "3"}, want: "TRIBUTARY_PARTITIONS=3\n"},
		"its source":         {environ: []string{"TRIBUTARY_PARTITIONS=12"}, want: "this value from TRIBUTARY_PARTITIONS"},
		"a flag's source":    {args: []string{"--partitions", "3"}, want: "this value from --partitions"},
		"lists":              {environ: []string{"TRIBUTARY_KAFKA_BROKERS=a:1,b:2"}, want: "TRIBUTARY_KAFKA_BROKERS=[a:1,b:2]\n"},
		"secrets are hidden": {environ: []string{"TRIBUTARY_CLICK_KEYS=1:c2VjcmV0"}, want: "TRIBUTARY_CLICK_KEYS=(secret)\n"},
		"password":           {environ: []string{"TRIBUTARY_KAFKA_TLS=true", "TRIBUTARY_KAFKA_USER=u", "TRIBUTARY_KAFKA_PASSWORD=c2VjcmV0"}, want: "TRIBUTARY_KAFKA_PASSWORD=(secret)\n"},
		"secrets in files":   {environ: []string{"TRIBUTARY_CLICK_KEYS_FILE=" + secret}, want: "TRIBUTARY_CLICK_KEYS=(secret)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := tributary(t.Context(), t, tt.environ, append([]string{"config"}, tt.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out, tt.want) {
				t.Errorf("%q is not in:\n%s", tt.want, out)
			}
			if strings.Contains(out, "c2VjcmV0") {
				t.Error("a secret was printed")
			}
		})
	}
}

func TestSettingsThatCannotWorkAreAllNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := tributary(t.Context(), t, []string{"TRIBUTARY_PARTITIONS=0", "TRIBUTARY_TRUSTED_PROXIES=10.0.0.1", "TRIBUTARY_KAFKA_BROKERS=kafka:9092", "TRIBUTARY_KAFKA_USER=u", "TRIBUTARY_KAFKA_PASSWORD=hush"}, "config", "--tracker-url", "go.example.com")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"TRIBUTARY_PARTITIONS", "TRIBUTARY_TRUSTED_PROXIES", "TRIBUTARY_TRACKER_URL", "10.0.0.0/8", "TRIBUTARY_KAFKA_TLS", "to kafka:9092 in the open"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in: %v", want, err)
		}
	}
}

func TestAMistypedSettingGetsASuggestion(t *testing.T) {
	t.Parallel()
	var warnings []string
	root := newRoot(nil)
	err := fromEnv(root.PersistentFlags(), []string{"TRIBUTARY_TRACKER_LISTN=:80", "TRIBUTARY_TEST_POSTGRES_URL=x", "HOME=/"}, func(w string) { warnings = append(warnings, w) })
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "TRIBUTARY_TRACKER_LISTEN?") {
		t.Errorf("warnings = %q, want one that suggests TRIBUTARY_TRACKER_LISTEN", warnings)
	}
}

func TestWithoutAHomeTheDataFolderMustBeNamed(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_DATA_HOME", "")
	if _, err := tributary(t.Context(), t, nil, "config"); err == nil || !strings.Contains(err.Error(), "TRIBUTARY_DATA") {
		t.Errorf("without one: %v", err)
	}
	if _, err := tributary(t.Context(), t, nil, "config", "--data", t.TempDir()); err != nil {
		t.Errorf("with one: %v", err)
	}
	t.Setenv("HOME", "/home/somebody")
	if out, err := tributary(t.Context(), t, nil, "config"); err != nil || !strings.Contains(out, "TRIBUTARY_DATA=/home/somebody/.local/share/tributary\n") {
		t.Errorf("in a home: %v\n%s", err, out)
	}
}
