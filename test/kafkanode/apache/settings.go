package apache

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// settings is the broker's file of properties: as little as one node needs, and replicas of one everywhere.
func (n *Node) settings() string {
	advertised := n.cfg.Advertised
	if advertised == "" || n.cfg.Secure != nil {
		advertised = n.Address()
	}
	s := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.voters":                         "1@" + loopback(n.ports.controller),
		"controller.listener.names":                        "CONTROLLER",
		"listeners":                                        "PLAINTEXT://" + n.Address() + ",CONTROLLER://" + loopback(n.ports.controller),
		"advertised.listeners":                             "PLAINTEXT://" + advertised,
		"listener.security.protocol.map":                   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":                       "PLAINTEXT",
		"log.dirs":                                         n.dataPath(),
		"auto.create.topics.enable":                        "false",
		"default.replication.factor":                       "1",
		"min.insync.replicas":                              "1",
		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
	}
	if n.cfg.Secure != nil {
		n.secure(s)
	}
	maps.Copy(s, n.cfg.Settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		_, _ = fmt.Fprintf(&text, "%s=%s\n", name, escape(s[name]))
	}
	return text.String()
}

// secure adds the listener with SASL, and with TLS where there is a certificate.
func (n *Node) secure(s map[string]string) {
	protocol := "SASL_PLAINTEXT"
	const prefix = "listener.name.secure."
	if len(n.cfg.Secure.Certificate) > 0 {
		protocol = "SASL_SSL"
		s[prefix+"ssl.keystore.type"] = "PEM"
		s[prefix+"ssl.keystore.certificate.chain"] = string(n.cfg.Secure.Certificate)
		s[prefix+"ssl.keystore.key"] = string(n.cfg.Secure.Key)
	}
	s["listeners"] += ",SECURE://" + n.SecureAddress()
	s["advertised.listeners"] += ",SECURE://" + cmp.Or(n.cfg.Advertised, n.SecureAddress())
	s["listener.security.protocol.map"] += ",SECURE:" + protocol
	s[prefix+"sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
	s[prefix+"plain.sasl.jaas.config"] = fmt.Sprintf(
		`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, n.cfg.Secure.User, n.cfg.Secure.Password)
	for _, mechanism := range []string{"scram-sha-256", "scram-sha-512"} {
		s[prefix+mechanism+".sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	}
}

// escape writes a value as a file of properties has it.
func escape(value string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(value)
}
