# Prints what a runner may obey, as the install script of a dependency could. FAIL=1 fails at the end.
FROM tiny-base:local
ARG FAIL
COPY --chmod=755 hostile.sh /
RUN ["/hostile.sh"]
RUN echo "::error title=hostile::from the Dockerfile ##[error]hostile" && test -z "$FAIL"
