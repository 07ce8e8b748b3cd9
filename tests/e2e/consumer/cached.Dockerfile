FROM tiny-base:local
RUN echo work that takes long | tee /work
