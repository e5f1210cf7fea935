package stream

import "github.com/segmentio/kafka-go"

// ClientOf is kafka-go's own client of a cluster.
func ClientOf(k Cluster) (*kafka.Client, error) {
	a, err := k.access()
	return &kafka.Client{Addr: kafka.TCP(k.Brokers...), Transport: &kafka.Transport{TLS: a.tls, SASL: a.mechanism}}, err
}
