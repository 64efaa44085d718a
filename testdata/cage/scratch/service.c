#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	printf("scratch service is up: %d arguments, %s\n", argc - 1, argv[1]);
	fflush(stdout);
	sleep(1000);
	return 0;
}
