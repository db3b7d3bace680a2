/* empty_bench.c: does nothing, and is linked with all that lunette is linked with: what every such program
** costs. */
int main(void) { return 0; }
