package apache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Version is the release of Apache Kafka that Install fetches.
const Version = "4.1.0"

// installLimit bounds the fetching of 43 MB.
const installLimit = 10 * time.Minute

// pom names the broker for Maven, which finds what it needs.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tributary</groupId><artifactId>kafkanode</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + Version + `</version></dependency>
  </dependencies>
</project>
`

// Install gives the folder with the broker's jars, in the user's cache folder, and fetches them with Maven the first
// time. It says on progress that it does. Two processes may do so at once: the last one's files stay, and are the same.
func Install(ctx context.Context, progress io.Writer) (jars string, err error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", errors.New("finding java: Apache Kafka needs Java 17 or later on the PATH (Debian: apt-get install openjdk-17-jre-headless)")
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	jars = filepath.Join(base, "tributary", "apache-kafka-"+Version)
	if _, err := os.Stat(filepath.Join(jars, "kafka_2.13-"+Version+".jar")); err == nil {
		return jars, nil
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", errors.New("finding mvn: Maven fetches Apache Kafka the first time (Debian: apt-get install maven)")
	}
	if err := os.MkdirAll(filepath.Dir(jars), 0o755); err != nil { //nolint:gosec // programs, no secrets
		return "", fmt.Errorf("making cache folder: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(jars), "apache-kafka-*.tmp")
	if err != nil {
		return "", fmt.Errorf("making folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	_, _ = fmt.Fprintf(progress, "Apache Kafka %s: fetching 43 MB with Maven into %s, once\n", Version, jars)
	if err := fetch(ctx, work); err != nil {
		return "", err
	}
	if err := os.RemoveAll(jars); err != nil {
		return "", fmt.Errorf("removing incomplete jars: %w", err)
	}
	if err := os.Rename(filepath.Join(work, "lib"), jars); err != nil {
		return "", fmt.Errorf("putting jars in place: %w", err)
	}
	return jars, nil
}

func fetch(ctx context.Context, work string) error {
	ctx, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), []byte(pom), 0o600); err != nil {
		return fmt.Errorf("writing pom.xml: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=lib")
	cmd.Dir = work
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching Apache Kafka with mvn: %w\n%s", err, strings.TrimSpace(string(said)))
	}
	return nil
}
