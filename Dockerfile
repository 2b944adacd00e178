FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
# The Go of releases: see the Makefile.
ENV GOTOOLCHAIN=go1.26.11
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Git's folder is not here to be asked for them.
ARG VERSION=unknown COMMIT="" TARGETOS TARGETARCH
RUN GOOS="$TARGETOS" GOARCH="$TARGETARCH" make build VERSION="$VERSION" COMMIT="$COMMIT" && install -d -m 700 /data

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=unknown COMMIT=""
LABEL org.opencontainers.image.title="Countersign" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.description="Authorization server in which no client works until an administrator has approved it" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /src/countersign /countersign
COPY --from=build --chown=nonroot:nonroot /data /data
# A loopback address is the container's own, which no published port leads to.
ENV COUNTERSIGN_DATA=/data COUNTERSIGN_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
USER nonroot
HEALTHCHECK --interval=10s --timeout=3s CMD ["/countersign", "healthcheck"]
ENTRYPOINT ["/countersign"]
CMD ["serve"]
