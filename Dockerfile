# One binary; the roles are arguments. There is no npm in the image, so nothing is embedded: give the addresses of servers.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/tributary ./cmd/tributary && mkdir -p /out/data

# Not scratch: the loader of the embedded ClickHouse binds to glibc, also where it is not used.
FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/tributary /tributary
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV TRIBUTARY_DATA=/data
VOLUME /data
ENTRYPOINT ["/tributary"]
CMD ["serve", "all"]
