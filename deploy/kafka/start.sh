#!/bin/sh
# Starts the broker of docker-compose.yml: one node, broker and controller in one. Roles come by CLIENTS, with TLS and a password
# (SCRAM-SHA-512), and may do what they were granted. The other two listeners are on loopback and take the broker's own certificate
# only; whoever has that is a super user, and so is tributary_migrate, who makes the roles' users and grants their rights.
#
#   KAFKA_MIGRATE_PASSWORD   of tributary_migrate; taken when the data folder is made, see docs/kafka.md for another one later
#   KAFKA_NAME               under which the roles find it (kafka)
# The others below have defaults that fit the image.
set -eu
libs=${KAFKA_LIBS:-/opt/kafka/libs} data=${KAFKA_DATA:-/var/lib/kafka/data} keys=${KAFKA_KEYS:-/etc/kafka/secrets} run=${KAFKA_RUN:-/tmp}
log=${KAFKA_LOG_SETTINGS:-/etc/tributary/log4j2.properties}
clients=${KAFKA_PORT:-9092} controller=${KAFKA_CONTROLLER_PORT:-9093} broker=${KAFKA_BROKER_PORT:-9094}
umask 077
secret=$(cat "$keys/password")

# What the broker, and the tools of whoever is inside its container (--command-config), know of TLS.
cat >"$run/admin.properties" <<END
security.protocol=SSL
ssl.keystore.location=$keys/kafka.p12
ssl.keystore.password=$secret
ssl.key.password=$secret
ssl.truststore.location=$keys/kafka.p12
ssl.truststore.password=$secret
END

{
	grep '^ssl' "$run/admin.properties"
	cat <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
listeners=CLIENTS://${KAFKA_BIND:-}:$clients,CONTROLLER://127.0.0.1:$controller,BROKER://127.0.0.1:$broker
advertised.listeners=CLIENTS://${KAFKA_NAME:-kafka}:$clients,BROKER://127.0.0.1:$broker
listener.security.protocol.map=CLIENTS:SASL_SSL,CONTROLLER:SSL,BROKER:SSL
ssl.client.auth=required
listener.name.clients.ssl.client.auth=none
listener.name.clients.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:CN=kafka;User:tributary_migrate
log.dirs=$data
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
END
} >"$run/server.properties"

java -Xmx256m -cp "$libs/*" kafka.tools.StorageTool format --ignore-formatted --cluster-id "${KAFKA_CLUSTER_ID:-VHJpYnV0YXJ5S2Fma2ExAA}" \
	--config "$run/server.properties" --add-scram "SCRAM-SHA-512=[name=tributary_migrate,password=$KAFKA_MIGRATE_PASSWORD]"
unset KAFKA_MIGRATE_PASSWORD
# shellcheck disable=SC2086 # several options
exec java ${KAFKA_HEAP_OPTS:--Xms512m -Xmx1g} -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
	-Dlog4j2.configurationFile="$log" -cp "$libs/*" kafka.Kafka "$run/server.properties"
