# A static binary and the certificate authorities, nothing else: no shell, no git, no OpenSSL to patch.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev build-base
WORKDIR /src
COPY . .
ARG PATTERNS_COMMIT=unknown
RUN PATTERNS_COMMIT="$PATTERNS_COMMIT" cargo build --release --locked \
 && mkdir -p /image/etc/ssl/certs /image/tmp \
 && cp target/release/patterns /image/patterns \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && for link in sync-git git-sync ambassador-redis adapt-metrics; do ln -s /patterns "/image/$link"; done

FROM scratch
COPY --from=build /image /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/patterns"]
LABEL org.opencontainers.image.title="patterns" \
      org.opencontainers.image.description="The sidecar, the ambassador and the adapter: three container patterns in one binary" \
      org.opencontainers.image.licenses="Apache-2.0"
