# syntax=docker/dockerfile:1
# The shipped image: one binary, no shell, no package manager, not root.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY scripts scripts
COPY Cargo.lock .
RUN scripts/setup build layout
COPY . .
# The caches outlive the layer, so a changed source does not build every dependency again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release -p gamemesh --features jemalloc \
    && cargo build --locked --release -p gamemesh-bench --features jemalloc \
    && scripts/layout target/release/gamemesh target/laid-out/gamemesh target/release/gamemesh-bench \
    && install -D -m 755 target/laid-out/gamemesh /out/usr/local/bin/gamemesh \
    && install -d -o 65532 -g 65532 /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ /
USER nonroot
WORKDIR /data
VOLUME /data
# Every interface of the container, so it does not start without JWT_SECRET or public keys.
ENV HTTP_ADDR=0.0.0.0:8080 \
    DATABASE_URL=sqlite:///data/gamemesh.db \
    LOG_FORMAT=json
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/gamemesh"]
CMD ["serve"]
