package stream

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/segmentio/kafka-go"

	"tributary/internal/event"
)

// Role is who logs in to a Kafka of one's own: a stage of the pipeline, or the operator, whom commands log in as.
type Role string

// The roles, each a user of Kafka by that name. The dashboard does not speak to Kafka.
const (
	Tracker  Role = "tributary_tracker"
	Loader   Role = "tributary_loader"
	Engine   Role = "tributary_engine"
	Operator Role = "tributary_operator"
)

// Roles lists them.
func Roles() []Role { return []Role{Tracker, Loader, Engine, Operator} }

// Name is the role's short name: tracker.
func (r Role) Name() string { return string(r)[len("tributary_"):] }

// Right is something that a user may do.
type Right struct {
	User string
	// Topic is without the prefix; it is empty for a right on the cluster itself.
	Topic string
	// Operation is Kafka's name of it: Read, Write, Create, Describe...
	Operation string
}

// Rights are all that the roles need: the tracker writes touches and orders, the engine reads orders and writes the ledger, the
// loader reads all and writes to orders what the database says of them, and nobody else does anything. Everybody may ask how the topics stand. The operator's commands read
// all and make topics that are missing; doctor looks at the brokers.
func Rights() (all []Right) {
	for _, r := range Roles() {
		for _, topic := range Topics() {
			all = append(all, Right{string(r), topic, "Describe"})
		}
	}
	for _, topic := range Topics() {
		all = append(all,
			Right{string(Loader), topic, "Read"}, Right{string(Operator), topic, "Read"},
			Right{string(Operator), topic, "Create"}, Right{string(Operator), topic, "DescribeConfigs"})
	}
	return append(all,
		Right{string(Tracker), event.Touches, "Write"}, Right{string(Tracker), event.Orders, "Write"}, Right{string(Loader), event.Orders, "Write"},
		Right{string(Engine), event.Orders, "Read"}, Right{string(Engine), event.Decisions, "Read"}, Right{string(Engine), event.Decisions, "Write"},
		Right{string(Operator), "", "Describe"}, Right{string(Operator), "", "DescribeConfigs"})
}

// clusterName is what Kafka calls the cluster among its resources.
const clusterName = "kafka-cluster"

// scramRounds is how often a password is hashed: as often as Kafka's own tools do it. Passwords are long and random.
const scramRounds = 4096

// SetPasswords makes the roles' users, or gives them other passwords, for SCRAM-SHA-512. It takes a user with the right to
// alter the cluster, as Grant does.
func (c *Client) SetPasswords(ctx context.Context, passwords map[Role]string) error {
	request := &kafka.AlterUserScramCredentialsRequest{}
	for _, r := range slices.Sorted(maps.Keys(passwords)) {
		salt := make([]byte, 32)
		_, _ = rand.Read(salt) // never fails
		salted, err := pbkdf2.Key(sha512.New, passwords[r], salt, scramRounds, sha512.Size)
		if err != nil {
			return fmt.Errorf("hashing the password of %s: %w", r, err)
		}
		request.Upsertions = append(request.Upsertions, kafka.UserScramCredentialsUpsertion{
			Name: string(r), Mechanism: kafka.ScramMechanismSha512, Iterations: scramRounds, Salt: salt, SaltedPassword: salted,
		})
	}
	response, err := c.link.Load().admin.AlterUserScramCredentials(ctx, request)
	if err != nil {
		return fmt.Errorf("setting passwords of Kafka: %w", c.explain(err))
	}
	for _, result := range response.Results {
		if result.Error != nil {
			return fmt.Errorf("setting the password of %s: %w", result.User, result.Error)
		}
	}
	return nil
}

// Grant gives each role its rights. It takes none away.
func (c *Client) Grant(ctx context.Context) error {
	request := &kafka.CreateACLsRequest{}
	for _, r := range Rights() {
		entry := kafka.ACLEntry{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: c.prefix + r.Topic, ResourcePatternType: kafka.PatternTypeLiteral,
			Principal: "User:" + r.User, Host: "*", PermissionType: kafka.ACLPermissionTypeAllow,
		}
		if r.Topic == "" {
			entry.ResourceType, entry.ResourceName = kafka.ResourceTypeCluster, clusterName
		}
		if err := entry.Operation.UnmarshalText([]byte(r.Operation)); err != nil {
			return fmt.Errorf("granting rights on Kafka: %w", err)
		}
		request.ACLs = append(request.ACLs, entry)
	}
	response, err := c.link.Load().admin.CreateACLs(ctx, request)
	if err != nil {
		return fmt.Errorf("granting rights on Kafka: %w", c.explain(err))
	}
	if err := errors.Join(response.Errors...); err != nil {
		return fmt.Errorf("granting rights on Kafka: %w", err)
	}
	return nil
}

// Excess lists the rights that somebody was granted on the topics, or on the cluster, and that Rights does not name. To describe
// something is no matter. What a broker's super users may do is not among it: they need no grant. A user may be "*",
// which is everybody.
func (c *Client) Excess(ctx context.Context) ([]Right, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	response, err := c.link.Load().admin.DescribeACLs(ctx, &kafka.DescribeACLsRequest{Filter: kafka.ACLFilter{
		ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny,
		Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAllow,
	}})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return nil, fmt.Errorf("reading who has which right on Kafka: %w", c.explain(err))
	}
	return excess(response.Resources, c.prefix), nil
}
