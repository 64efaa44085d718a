// SPDX-License-Identifier: Apache-2.0
//
// What must not be in a measured program: name lookups through libc, which would load shared objects of the image at
// run time, and dlopen itself. OpenSSL and libevent name these functions in code paths that we never take (BIO_lookup,
// evutil_getaddrinfo, DSO engines); defined here, each fails at once, and the static link pulls nothing in for them and
// warns of nothing. Addresses in our configuration are numeric.
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	(void)node, (void)service, (void)hints, (void)out;
	return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

const char *gai_strerror(int code)
{
	(void)code;
	return "no resolver in this program";
}

int getnameinfo(const struct sockaddr *sa, socklen_t len, char *host, socklen_t host_len, char *service,
		socklen_t service_len, int flags)
{
	(void)sa, (void)len, (void)host, (void)host_len, (void)service, (void)service_len, (void)flags;
	return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name)
{
	(void)name;
	return NULL;
}

struct hostent *gethostbyaddr(const void *address, socklen_t len, int type)
{
	(void)address, (void)len, (void)type;
	return NULL;
}

struct servent *getservbyname(const char *name, const char *proto)
{
	(void)name, (void)proto;
	return NULL;
}

struct protoent *getprotobynumber(int number)
{
	(void)number;
	return NULL;
}

void *dlopen(const char *path, int mode)
{
	(void)path, (void)mode;
	return NULL;
}

// glibc's own name for it, by which its start-up code would bring the real one in.
void *__dlopen(const char *path, int mode);
void *__dlopen(const char *path, int mode)
{
	return dlopen(path, mode);
}

void *dlsym(void *handle, const char *name)
{
	(void)handle, (void)name;
	return NULL;
}

int dlclose(void *handle)
{
	(void)handle;
	return -1;
}

char *dlerror(void)
{
	static char text[] = "no shared objects in this program";

	return text;
}

int dladdr(const void *address, Dl_info *info)
{
	(void)address, (void)info;
	return 0;
}
