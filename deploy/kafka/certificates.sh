#!/bin/sh
# Makes the certificates of the broker in docker-compose.yml, by keytool of the broker's own image. It runs once before each start:
# the issuer is made the first time and lasts ten years, the broker's certificate lasts 825 days and is renewed when it is a year
# old. What is secret stays in KEYS; PUBLIC gets ca.pem, which every role reads.
#
#   certificates.sh KEYS PUBLIC OWNER NAME...    the broker runs as OWNER and is called each NAME (dns:kafka, ip:127.0.0.1)
set -eu
keys=$1 public=$2 owner=$3
shift 3
umask 077

[ -s "$keys/password" ] || head -c 24 /dev/urandom | base64 >"$keys/password"
tool() { keytool "$@" -storepass:file "$keys/password"; }

if [ ! -s "$public/ca.pem" ] || [ ! -s "$keys/ca.p12" ]; then
	rm -f "$keys/ca.p12" "$keys/kafka.p12"
	tool -genkeypair -alias ca -keyalg EC -groupname secp256r1 -dname CN=tributary-kafka-issuer -ext bc:c -ext ku:c=keyCertSign -validity 3650 -keystore "$keys/ca.p12"
	tool -exportcert -rfc -alias ca -keystore "$keys/ca.p12" -file "$public/ca.pem"
	chmod 0644 "$public/ca.pem"
fi

if [ ! -s "$keys/kafka.p12" ] || [ -n "$(find "$keys/kafka.p12" -mtime +365)" ]; then
	new=$keys/new.p12
	rm -f "$new"
	names=san=$(echo "$*" | tr ' ' ,)
	tool -genkeypair -alias kafka -keyalg EC -groupname secp256r1 -dname CN=kafka -validity 825 -keystore "$new"
	tool -certreq -alias kafka -keystore "$new" -file "$keys/request"
	tool -gencert -rfc -alias ca -keystore "$keys/ca.p12" -infile "$keys/request" -outfile "$keys/kafka.pem" -validity 825 \
		-ext ku:c=digitalSignature -ext eku=serverAuth,clientAuth -ext "$names"
	tool -importcert -noprompt -alias issuer -keystore "$new" -file "$public/ca.pem"
	tool -importcert -noprompt -alias kafka -keystore "$new" -file "$keys/kafka.pem"
	rm -f "$keys/request" "$keys/kafka.pem"
	mv "$new" "$keys/kafka.p12"
	echo 'The broker has a new certificate. One that runs takes it at its next start.'
fi
# The issuer's key stays root's.
chown "$owner" "$keys/password" "$keys/kafka.p12"
