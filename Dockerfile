# docker build -t ketch .
# docker run --rm -p 11211:11211 -v ./ketch.yaml:/etc/ketch/ketch.yaml:ro ketch --config /etc/ketch/ketch.yaml
#
# In the file, listen on 0.0.0.0: the loopback of a container is the container's own.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /ketch
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
COPY tests/instructions tests/instructions
RUN cargo build --locked --profile dist --bin ketch && strip target/dist/ketch

# Nothing but libc, and a user who is not root.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /ketch/target/dist/ketch /usr/local/bin/ketch
EXPOSE 11211 11280 11290
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/ketch"]
