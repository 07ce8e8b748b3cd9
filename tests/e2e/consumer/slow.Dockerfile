FROM tiny-base:local
RUN echo "the slow step begins" && sleep 120
