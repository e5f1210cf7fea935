package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// composed is one service of docker-compose.yml.
type composed struct {
	Image       string            `yaml:"image"`
	Command     []string          `yaml:"command"`
	Entrypoint  []string          `yaml:"entrypoint"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Networks    []string          `yaml:"networks"`
	CapDrop     []string          `yaml:"cap_drop"`
	CapAdd      []string          `yaml:"cap_add"`
	SecurityOpt []string          `yaml:"security_opt"`
	ReadOnly    bool              `yaml:"read_only"`
	Privileged  bool              `yaml:"privileged"`
	NetworkMode string            `yaml:"network_mode"`
}

type composition struct {
	Services map[string]composed `yaml:"services"`
	Networks map[string]struct {
		Internal bool `yaml:"internal"`
	} `yaml:"networks"`
}

func readCompose(t *testing.T) (c composition) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, "docker-compose.yml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// roleServices are those that run the binary.
func roleServices() []string {
	return []string{"migrate", "tracker", "loader", "engine", "dashboard", "operator"}
}

func TestComposeConfinesItsContainers(t *testing.T) {
	t.Parallel()
	owns := []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"} // to own a volume and become a user
	for name, s := range readCompose(t).Services {
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s drops %v and has %v", name, s.CapDrop, s.SecurityOpt)
		}
		if s.Privileged || s.NetworkMode != "" && s.NetworkMode != "none" {
			t.Errorf("%s is privileged: %v, network mode %q", name, s.Privileged, s.NetworkMode)
		}
		for _, added := range s.CapAdd {
			if !slices.Contains([]string{"postgres", "clickhouse", "certificates"}, name) || !slices.Contains(owns, added) {
				t.Errorf("%s has the capability %s", name, added)
			}
		}
		if !s.ReadOnly {
			t.Errorf("%s may write to its image", name)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s to other machines", name, port)
			}
		}
		if _, tag, named := strings.Cut(s.Image, ":"); !named || tag == "latest" {
			t.Errorf("%s runs any version of %s", name, s.Image)
		}
	}
}

func TestComposeSeparatesItsNetworks(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	want := map[string][]string{
		"postgres": {"data"}, "clickhouse": {"data"}, "kafka": {"data"}, "migrate": {"data"}, "operator": {"data"},
		"loader": {"data", "monitoring"}, "engine": {"data", "monitoring"},
		"tracker": {"edge", "data", "monitoring"}, "dashboard": {"edge", "data", "monitoring"},
		"prometheus": {"monitoring", "console"}, "grafana": {"console"}, "certificates": nil,
	}
	for name, s := range c.Services {
		if !slices.Equal(s.Networks, want[name]) {
			t.Errorf("%s is in the networks %v, want %v", name, s.Networks, want[name])
		}
		if len(s.Networks) == 0 && s.NetworkMode != "none" {
			t.Errorf("%s is in the network of everybody", name)
		}
	}
	for name, n := range c.Networks {
		if out := slices.Contains([]string{"edge", "console"}, name); n.Internal == out {
			t.Errorf("the network %s leads outside: %v, want %v", name, !n.Internal, out)
		}
	}
}

// TestComposePassesEverySetting: a setting in .env that no service gets does nothing, and nobody is told.
func TestComposePassesEverySetting(t *testing.T) {
	t.Parallel()
	services := readCompose(t).Services
	noUse := map[string][]string{ // of which a role has no use
		"migrate": {"click-keys", "record-keys", "country-db"}, "loader": {"click-keys", "country-db"}, "tracker": {"clickhouse-url"},
		"engine": {"clickhouse-url", "country-db"}, "operator": {"country-db"},
		"dashboard": {"country-db", "click-keys", "record-keys", "kafka-brokers", "kafka-tls", "kafka-ca", "kafka-user", "kafka-password", "kafka-mechanism"},
	}
	newRoot(nil).PersistentFlags().VisitAll(func(f *pflag.Flag) {
		several := strings.HasSuffix(f.Name, "-url") && (strings.HasPrefix(f.Name, "postgres-") || strings.HasPrefix(f.Name, "clickhouse-")) &&
			f.Name != "postgres-url" && f.Name != "clickhouse-url" // for processes of several roles: here each has one
		if several || f.Name == "data" { // the image's
			return
		}
		for _, role := range roleServices() {
			_, passed := services[role].Environment[envName(f.Name)]
			if want := !slices.Contains(noUse[role], f.Name); passed != want {
				t.Errorf("%s gets %s: %v, want %v", role, envName(f.Name), passed, want)
			}
		}
	})
}

// TestComposeAndItsExampleAgree: each variable of the one is in the other, and only what must be set has no default.
func TestComposeAndItsExampleAgree(t *testing.T) {
	t.Parallel()
	text, example := read(t, "docker-compose.yml"), read(t, "deploy", "env.example")
	for name := range exampleVariables(example) {
		if !strings.Contains(text, "${"+name+":") && !strings.Contains(text, "\n    "+name+":\n") {
			t.Errorf("deploy/env.example sets %s, which docker-compose.yml does not pass on", name)
		}
	}
	variables := regexp.MustCompile(`\$\{(\w+)(:[?-])?`).FindAllStringSubmatch(text, -1)
	for _, v := range append(variables, regexp.MustCompile(`(?m)^    (TRIBUTARY_\w+):$()`).FindAllStringSubmatch(text, -1)...) {
		required, listed := exampleVariables(example)[v[1]]
		if !listed || required != (v[2] == ":?") {
			t.Errorf("docker-compose.yml asks for %s, required: %v; deploy/env.example lists it: %v, as required: %v", v[1], v[2] == ":?", listed, required)
		}
	}
}

// exampleVariables gives the variables of deploy/env.example, and whether each has to be filled in.
func exampleVariables(text string) map[string]bool {
	all := map[string]bool{}
	for _, v := range regexp.MustCompile(`(?m)^(#?)(TRIBUTARY_\w+)=`).FindAllStringSubmatch(text, -1) {
		all[v[2]] = v[1] == ""
	}
	return all
}

// TestComposeHasNoPasswordOfItsOwn: what is secret has no default, and each role has its own.
func TestComposeHasNoPasswordOfItsOwn(t *testing.T) {
	t.Parallel()
	services := readCompose(t).Services
	for name, s := range services {
		for key, value := range s.Environment {
			secret := strings.Contains(key, "PASSWORD") || strings.Contains(key, "KEYS")
			if secret && !regexp.MustCompile(`^\$\{TRIBUTARY_\w+:\?[^}]+\}$`).MatchString(value) {
				t.Errorf("%s of %s is %q: it is no variable that must be set", key, name, value)
			}
		}
	}
	if services["grafana"].Environment["GF_SECURITY_ADMIN_PASSWORD"] == "" {
		t.Error("Grafana's password is admin")
	}
	for _, role := range roleServices() {
		user, variable := "tributary_"+role, "TRIBUTARY_POSTGRES_"+strings.ToUpper(role)+"_PASSWORD"
		if role == "migrate" {
			user, variable = "tributary", "TRIBUTARY_POSTGRES_PASSWORD" // the owner's
		}
		if role != "dashboard" {
			kafka, own := services[role].Environment, "${TRIBUTARY_KAFKA_"+strings.ToUpper(role)+"_PASSWORD:?"
			if kafka["TRIBUTARY_KAFKA_USER"] != "tributary_"+role || !strings.HasPrefix(kafka["TRIBUTARY_KAFKA_PASSWORD"], own) || kafka["TRIBUTARY_KAFKA_TLS"] != "true" {
				t.Errorf("%s logs in to Kafka as %s with %s, TLS %s", role, kafka["TRIBUTARY_KAFKA_USER"], kafka["TRIBUTARY_KAFKA_PASSWORD"], kafka["TRIBUTARY_KAFKA_TLS"])
			}
		}
		if address := services[role].Environment["TRIBUTARY_POSTGRES_URL"]; !strings.HasPrefix(address, "postgres://"+user+":${"+variable+":?") {
			t.Errorf("%s logs in to PostgreSQL with %s", role, address)
		}
	}
}

// TestComposeGuardsKafka: what its scripts do with a broker is tried by make test-kafka (internal/stream).
func TestComposeGuardsKafka(t *testing.T) {
	t.Parallel()
	services, start := readCompose(t).Services, read(t, "deploy", "kafka", "start.sh")
	if e := services["kafka"].Entrypoint; !slices.Equal(e, []string{"sh", "/etc/tributary/start.sh"}) {
		t.Errorf("Kafka is started by %v", e)
	}
	if e := services["certificates"].Entrypoint; !slices.Contains(e, "/etc/tributary/certificates.sh") || !slices.Contains(e, "dns:kafka") {
		t.Errorf("certificates are made by %v", e)
	}
	if c := services["migrate"].Command; !slices.Contains(c, "--kafka-passwords") {
		t.Errorf("migrate is run with %v", c)
	}
	for _, line := range []string{
		"listener.security.protocol.map=CLIENTS:SASL_SSL,CONTROLLER:SSL,BROKER:SSL", "ssl.client.auth=required",
		"listener.name.clients.sasl.enabled.mechanisms=SCRAM-SHA-512", "allow.everyone.if.no.acl.found=false",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:CN=kafka;User:tributary_migrate",
	} {
		if !strings.Contains(start, "\n"+line+"\n") {
			t.Errorf("deploy/kafka/start.sh lacks %s", line)
		}
	}
}
