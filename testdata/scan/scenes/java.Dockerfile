# The key store that ca-certificates-java makes when it is installed.
#
# yes java-keystore etc/ssl/certs/java/cacerts
# no java-keystore etc/java-17-openjdk/security/java.security
FROM scratch
ADD base.tar /
COPY apt /etc/apt
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openjdk-17-jre-headless \
	ca-certificates-java
