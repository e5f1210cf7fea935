package stream_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/test/engines"
)

// logIn gives a client that logs in as a user, until the test ends.
func logIn(t *testing.T, k stream.Cluster, user, password string) *stream.Client {
	t.Helper()
	k.User, k.Password = user, password
	c, err := stream.Open(k, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// rolePassword is that of a role in the tests.
func rolePassword(r stream.Role) string { return "password of " + r.Name() }

// setUp makes the roles and topics on a cluster, twice, as migrate may do.
func setUp(t *testing.T, k stream.Cluster) *stream.Client {
	t.Helper()
	admin := logIn(t, k, k.User, k.Password)
	passwords := map[stream.Role]string{}
	for _, r := range stream.Roles() {
		passwords[r] = rolePassword(r)
	}
	for range 2 {
		if err := admin.SetPasswords(t.Context(), passwords); err != nil {
			t.Fatal(err)
		}
		if err := admin.Grant(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The operator may make the topics.
	if err := logIn(t, k, string(stream.Operator), rolePassword(stream.Operator)).CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	return admin
}

func TestEachRoleHasItsRightsAlone(t *testing.T) {
	t.Parallel()
	k := engines.GuardedKafka(t).Cluster
	setUp(t, k)
	rightsHold(t, k)
}

// rightsHold tries what each role may and may not do with each topic.
func rightsHold(t *testing.T, k stream.Cluster) {
	t.Helper()
	for _, row := range []struct {
		role        stream.Role
		write, read []string
	}{
		{stream.Tracker, []string{event.Touches, event.Orders}, nil},
		{stream.Loader, []string{event.Orders}, []string{event.Touches, event.Orders, event.Decisions}},
		{stream.Engine, []string{event.Decisions}, []string{event.Orders, event.Decisions}},
		{stream.Operator, nil, []string{event.Touches, event.Orders, event.Decisions}},
	} {
		c := logIn(t, k, string(row.role), rolePassword(row.role))
		for _, topic := range []string{event.Touches, event.Orders, event.Decisions} {
			if _, _, err := c.Offsets(t.Context(), topic, 0); err != nil {
				t.Errorf("%s asks how %s stands: %v", row.role, topic, err)
			}
			if _, err := c.Log(t.Context(), topic); err != nil {
				t.Errorf("%s asks for the id of %s: %v", row.role, topic, err)
			}
			err := c.Produce(t.Context(), topic, 0, []stream.Record{{Value: []byte("x"), Seq: 1}})
			if may := slices.Contains(row.write, topic); may != (err == nil) || err != nil && !refused(err) {
				t.Errorf("%s writes %s: %v, may: %v", row.role, topic, err, may)
			}
			_, err = c.Fetch(t.Context(), topic, 0, 0, 1<<20, 10*time.Millisecond)
			if may := slices.Contains(row.read, topic); may != (err == nil) || err != nil && !refused(err) {
				t.Errorf("%s reads %s: %v, may: %v", row.role, topic, err, may)
			}
			for what, request := range destructive(k.Prefix + topic) {
				if said := ask(t, k, row.role, request); !strings.Contains(said, "AUTHORIZATION_FAILED") {
					t.Errorf("%s %s %s: %s", row.role, what, topic, said)
				}
			}
		}
		own, err := c.Own(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range own {
			if !slices.Contains(stream.Rights(), r) {
				t.Errorf("%s may %s %s", r.User, r.Operation, r.Topic)
			}
		}
		if len(own) < len(row.write)+len(row.read) {
			t.Errorf("%s knows of %v alone", row.role, own)
		}
	}
	for name, s := range map[string]stream.Security{
		"nobody": {}, "a stranger": {User: "tributary_dashboard", Password: rolePassword(stream.Tracker)}, "another role": {User: string(stream.Engine), Password: rolePassword(stream.Tracker)},
	} {
		s.TLS, s.CA = k.TLS, k.CA
		c, err := stream.Open(stream.Cluster{Brokers: k.Brokers, Prefix: k.Prefix, Keys: k.Keys, Security: s}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Produce(t.Context(), event.Orders, 0, []stream.Record{{Value: []byte("x"), Seq: 1}}); err == nil {
			t.Errorf("%s writes orders", name)
		}
		c.Close()
	}
	if stream.Anonymous(t.Context(), k, k.Brokers[0]) {
		t.Error("the broker answers who has shown no password")
	}
}

// refused tells whether an error says that a right is missing.
func refused(err error) bool { return strings.Contains(strings.ToLower(err.Error()), "authorization") }

// destructive are requests that no role has a right to.
func destructive(topic string) map[string]kmsg.Request {
	remove := kmsg.NewPtrDeleteTopicsRequest()
	remove.TopicNames, remove.TimeoutMillis = []string{topic}, 5000
	named := kmsg.NewDeleteTopicsRequestTopic()
	named.Topic = &topic
	remove.Topics = append(remove.Topics, named)
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	setting, short := kmsg.NewIncrementalAlterConfigsRequestResourceConfig(), "1"
	setting.Name, setting.Value = "retention.ms", &short
	resource.Configs = append(resource.Configs, setting)
	alter.Resources = append(alter.Resources, resource)
	grant := kmsg.NewPtrCreateACLsRequest()
	entry := kmsg.NewCreateACLsRequestCreation()
	entry.ResourceType, entry.ResourceName, entry.ResourcePatternType = kmsg.ACLResourceTypeTopic, topic, kmsg.ACLResourcePatternTypeLiteral
	entry.Principal, entry.Host, entry.Operation, entry.PermissionType = "User:*", "*", kmsg.ACLOperationAll, kmsg.ACLPermissionTypeAllow
	grant.Creations = append(grant.Creations, entry)
	return map[string]kmsg.Request{"deletes": remove, "alters": alter, "grants": grant}
}

// ask sends a request as a role, and gives what the broker says of it.
func ask(t *testing.T, k stream.Cluster, r stream.Role, request kmsg.Request) string {
	t.Helper()
	k.User, k.Password, k.Mechanism = string(r), rolePassword(r), "scram-sha-512"
	response, err := engines.Cluster{Cluster: k}.Foreign(t).Request(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	var code int16
	switch answer := response.(type) {
	case *kmsg.DeleteTopicsResponse:
		code = answer.Topics[0].ErrorCode
	case *kmsg.IncrementalAlterConfigsResponse:
		code = answer.Resources[0].ErrorCode
	case *kmsg.CreateACLsResponse:
		code = answer.Results[0].ErrorCode
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return err.Error()
	}
	return "done"
}

func TestRightsBeyondTheRolesAreNamed(t *testing.T) {
	t.Parallel()
	k := engines.GuardedKafka(t).Cluster
	admin := setUp(t, k)
	if found, err := admin.Excess(t.Context()); err != nil || len(found) > 0 {
		t.Fatalf("it names %v: %v", found, err)
	}
	grant := func(kind kmsg.ACLResourceType, name string, pattern kmsg.ACLResourcePatternType, user string, op kmsg.ACLOperation) {
		t.Helper()
		request := kmsg.NewPtrCreateACLsRequest()
		entry := kmsg.NewCreateACLsRequestCreation()
		entry.ResourceType, entry.ResourceName, entry.ResourcePatternType = kind, name, pattern
		entry.Principal, entry.Host, entry.Operation, entry.PermissionType = "User:"+user, "*", op, kmsg.ACLPermissionTypeAllow
		request.Creations = append(request.Creations, entry)
		if _, err := (engines.Cluster{Cluster: k}).Foreign(t).Request(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	literal, prefixed := kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLResourcePatternTypePrefixed
	grant(kmsg.ACLResourceTypeTopic, k.Prefix+"ledger", literal, "tributary_tracker", kmsg.ACLOperationWrite)
	grant(kmsg.ACLResourceTypeTopic, k.Prefix+"o", prefixed, "guest", kmsg.ACLOperationRead)
	grant(kmsg.ACLResourceTypeTopic, "*", literal, "*", kmsg.ACLOperationAll)
	grant(kmsg.ACLResourceTypeCluster, "kafka-cluster", literal, "tributary_engine", kmsg.ACLOperationAlter)
	grant(kmsg.ACLResourceTypeTopic, "elsewhere", literal, "guest", kmsg.ACLOperationWrite)          // none of ours
	grant(kmsg.ACLResourceTypeTopic, k.Prefix+"orders", literal, "guest", kmsg.ACLOperationDescribe) // harmless
	grant(kmsg.ACLResourceTypeGroup, k.Prefix+"orders", literal, "guest", kmsg.ACLOperationRead)     // no topic
	want := []stream.Right{
		{User: "*", Topic: "ledger", Operation: "All"},
		{User: "*", Topic: "orders", Operation: "All"},
		{User: "*", Topic: "touches", Operation: "All"},
		{User: "guest", Topic: "orders", Operation: "Read"},
		{User: "tributary_engine", Topic: "", Operation: "Alter"},
		{User: "tributary_tracker", Topic: "ledger", Operation: "Write"},
	}
	operator := logIn(t, k, string(stream.Operator), rolePassword(stream.Operator))
	if found, err := operator.Excess(t.Context()); err != nil || !slices.Equal(found, want) {
		t.Errorf("it names %v (%v), want %v", found, err, want)
	}
	tracker := logIn(t, k, string(stream.Tracker), rolePassword(stream.Tracker))
	if _, err := tracker.Excess(t.Context()); err == nil || !refused(err) {
		t.Errorf("a tracker learns who may do what: %v", err)
	}
	if own, err := tracker.Own(t.Context()); err != nil || !slices.Contains(own, stream.Right{User: "tributary_tracker", Topic: "ledger", Operation: "Write"}) {
		t.Errorf("a tracker with a right too many sees %v (%v)", own, err)
	}
}

func TestABrokerWithoutPasswordsIsFound(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	ca := newIssuer(t)
	certificate, key := ca.issue(nil)
	secure := secured(t, certificate, key, nil)
	for name, row := range map[string]struct {
		k    stream.Cluster
		want bool
	}{
		"open":             {stream.Cluster{Brokers: broker.ListenAddrs()}, true},
		"open beside TLS":  {stream.Cluster{Brokers: broker.ListenAddrs(), Security: stream.Security{TLS: true, CA: ca.file}}, true},
		"with a password":  {engines.GuardedKafka(t).Cluster, false},
		"TLS and password": {stream.Cluster{Brokers: secure, Security: stream.Security{TLS: true, CA: ca.file}}, false},
		"nobody there":     {stream.Cluster{Brokers: []string{"127.0.0.1:1"}}, false},
	} {
		if got := stream.Anonymous(t.Context(), row.k, row.k.Brokers[0]); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
	c := logIn(t, stream.Cluster{Brokers: secure, Security: stream.Security{TLS: true, CA: ca.file}}, "large", "secret")
	if end, err := c.Expiry(t.Context(), secure[0]); err != nil || time.Until(end) > time.Hour || time.Until(end) < 50*time.Minute {
		t.Errorf("its certificate ends %v (%v), want in an hour", end, err)
	}
}
