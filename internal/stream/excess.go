package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// excess is Excess without the asking.
func excess(resources []kafka.ACLResource, prefix string) (found []Right) {
	for _, resource := range resources {
		var on []string
		switch resource.ResourceType {
		case kafka.ResourceTypeCluster:
			on = []string{""}
		case kafka.ResourceTypeTopic:
			on = covered(resource, prefix)
		default:
		}
		for _, entry := range resource.ACLs {
			user, _ := strings.CutPrefix(entry.Principal, "User:")
			for _, topic := range on {
				right := Right{user, topic, entry.Operation.String()}
				if entry.PermissionType == kafka.ACLPermissionTypeAllow && !harmless(right) && !slices.Contains(Rights(), right) && !slices.Contains(found, right) {
					found = append(found, right)
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b Right) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Operation, b.Operation))
	})
	return found
}

// covered gives those of the topics that a pattern is about.
func covered(resource kafka.ACLResource, prefix string) (on []string) {
	for _, topic := range Topics() {
		name := prefix + topic
		switch {
		case resource.ResourceName == "*", resource.PatternType == kafka.PatternTypeLiteral && resource.ResourceName == name,
			resource.PatternType == kafka.PatternTypePrefixed && strings.HasPrefix(name, resource.ResourceName):
			on = append(on, topic)
		}
	}
	return on
}

// harmless tells whether a right lets nobody read, write or change anything.
func harmless(r Right) bool {
	return slices.Contains([]string{"Describe", "DescribeConfigs", "IdempotentWrite"}, r.Operation)
}

// Own lists what the user whom this client logs in as may do with the topics, as the brokers judge it, super users and missing
// authorization included. Topics that do not exist are left out, and so are Describe and DescribeConfigs.
func (c *Client) Own(ctx context.Context) (own []Right, err error) {
	for _, topic := range Topics() {
		operations, err := c.askTopic(ctx, c.prefix+topic)
		if errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("asking for one's rights on %s: %w", c.prefix+topic, c.explain(err))
		}
		for op := kafka.ACLOperationTypeRead; op <= kafka.ACLOperationTypeIdempotentWrite; op++ {
			if right := (Right{c.user, topic, op.String()}); operations.AuthorizedOperations&(1<<op) != 0 && !harmless(right) {
				own = append(own, right)
			}
		}
	}
	return own, nil
}

// Refused tells whether an error says that the user lacks a right.
func Refused(err error) bool {
	return errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed)
}

// Broker is what one broker says of how it may be spoken to. What it does not tell is taken to be sound.
type Broker struct {
	Address string
	// Open lists the listeners that ask nobody who they are and are not on a loopback address.
	Open []string
	// Unchecked is true where no authorizer decides who may do what: everybody may do everything.
	Unchecked bool
	// Everyone is true where a topic that nobody was granted anything on is open to all.
	Everyone bool
}

// Brokers asks each broker of the cluster for its settings. It takes the right to describe the cluster's.
func (c *Client) Brokers(ctx context.Context) ([]Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	admin := c.link.Load().admin
	metadata, err := admin.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{c.prefix + Topics()[0]}})
	if err != nil {
		return nil, fmt.Errorf("asking for the brokers: %w", c.explain(err))
	}
	all := make([]Broker, 0, len(metadata.Brokers))
	for _, b := range metadata.Brokers {
		broker := Broker{Address: net.JoinHostPort(b.Host, strconv.Itoa(b.Port))}
		settings, err := admin.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
			Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeBroker, ResourceName: strconv.Itoa(b.ID)}},
		})
		if err == nil && len(settings.Resources) == 1 {
			err = settings.Resources[0].Error
		}
		if err != nil {
			return nil, fmt.Errorf("asking %s for its settings: %w", broker.Address, c.explain(err))
		}
		values := map[string]string{}
		for _, r := range settings.Resources {
			for _, e := range r.ConfigEntries {
				values[e.ConfigName] = e.ConfigValue
			}
		}
		authorizer, told := values["authorizer.class.name"]
		broker.Unchecked = told && authorizer == ""
		broker.Everyone = values["allow.everyone.if.no.acl.found"] == "true"
		broker.Open = openListeners(values)
		all = append(all, broker)
	}
	return all, nil
}

// openListeners gives those by which whoever reaches them is taken in: without a password, and without a certificate asked for.
func openListeners(settings map[string]string) (open []string) {
	protocols := map[string]string{}
	for pair := range strings.SplitSeq(settings["listener.security.protocol.map"], ",") {
		name, protocol, _ := strings.Cut(strings.TrimSpace(pair), ":")
		protocols[name] = protocol
	}
	for listener := range strings.SplitSeq(settings["listeners"], ",") {
		name, address, found := strings.Cut(strings.TrimSpace(listener), "://")
		if !found || isLoopback(address) {
			continue
		}
		auth := cmp.Or(settings["listener.name."+strings.ToLower(name)+".ssl.client.auth"], settings["ssl.client.auth"])
		switch protocol := cmp.Or(protocols[name], name); {
		case strings.HasPrefix(protocol, "SASL_"), protocol == "SSL" && auth == "required":
		default:
			open = append(open, name+"://"+address+" ("+protocol+")")
		}
	}
	return open
}

// Anonymous tells whether a broker answers questions about the cluster from somebody who shows no password, in the open or, where
// the cluster speaks TLS, by that.
func Anonymous(ctx context.Context, k Cluster, address string) bool {
	ways := []Security{{}}
	if k.TLS {
		ways = append(ways, Security{TLS: true, CA: k.CA})
	}
	return slices.ContainsFunc(ways, func(s Security) bool {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		a, err := Cluster{Security: s}.access()
		if err != nil {
			return false
		}
		c := &Client{access: a}
		conn, err := c.connect(ctx, "tcp", address)
		if err != nil {
			return false
		}
		defer conn.Close()
		deadline, _ := ctx.Deadline()
		if err := conn.SetDeadline(deadline); err != nil {
			return false
		}
		request := kmsg.NewPtrMetadataRequest()
		request.Version = metadataVersion
		question := append(appendHead(nil, 3, metadataVersion), 0)
		question = request.AppendTo(question)
		sized(question)
		_, err = converse(conn, question) // a broker that wants a password closes the connection
		return err == nil
	})
}

// Expiry is when the first of the certificates that a broker shows ends, the zero time without TLS.
func (c *Client) Expiry(ctx context.Context, address string) (end time.Time, err error) {
	if c.access.tls == nil {
		return end, nil
	}
	conn, err := c.connect(ctx, "tcp", address)
	if err != nil {
		return end, fmt.Errorf("connecting to Kafka at %s: %w", address, err)
	}
	defer conn.Close()
	if secure, ok := conn.(*tls.Conn); ok {
		for _, certificate := range secure.ConnectionState().PeerCertificates {
			if end.IsZero() || certificate.NotAfter.Before(end) {
				end = certificate.NotAfter
			}
		}
	}
	return end, nil
}
