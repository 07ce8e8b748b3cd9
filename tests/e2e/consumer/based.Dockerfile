FROM tiny-base:local
COPY index.html /srv/
