// Times MPI_Allreduce of f32 sums between the ranks of mpirun; prints JSON: [{"bytes":..., "microseconds":[...]}, ...].
// Arguments: of each size the vector's bytes, calls a sample, and 1 if the vector is written anew before every call, outside the time. Both forms (in place, out of place) are timed; the faster is printed.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 30, WARM_UP = 5 };

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(float *from, float *to, int count, int calls, int rewrites, double *out) {
  float *written = from ? from : to;
  int rounds = rewrites ? calls : 1, callsARound = calls / rounds;
  for (int sample = -WARM_UP; sample < SAMPLES; sample++) {
    double seconds = 0;
    for (int round = 0; round < rounds; round++) {
      for (int k = 0; rewrites && k < count; k++) written[k] = 1;
      MPI_Barrier(MPI_COMM_WORLD);
      double start = MPI_Wtime();
      for (int call = 0; call < callsARound; call++)
        MPI_Allreduce(from ? from : MPI_IN_PLACE, to, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
      seconds += MPI_Wtime() - start;
    }
    if (sample >= 0) out[sample] = seconds / calls * 1e6;
  }
  qsort(out, SAMPLES, sizeof *out, ascending);
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) printf("[");
  for (int i = 1; i + 2 < argc; i += 3) {
    long bytes = atol(argv[i]);
    int calls = atoi(argv[i + 1]), rewrites = atoi(argv[i + 2]), count = (int)(bytes / sizeof(float));
    float *from = calloc(count, sizeof(float)), *to = calloc(count, sizeof(float));
    // calloc's pages must exist before the clock runs.
    for (int k = 0; k < count; k++) from[k] = to[k] = 0;
    double in[SAMPLES], out[SAMPLES];
    measure(NULL, to, count, calls, rewrites, in);
    measure(from, to, count, calls, rewrites, out);
    double *best = in[SAMPLES / 2] < out[SAMPLES / 2] ? in : out;
    if (rank == 0) {
      printf("%s{\"bytes\":%ld,\"microseconds\":[", i > 1 ? "," : "", bytes);
      for (int k = 0; k < SAMPLES; k++) printf("%s%.3f", k ? "," : "", best[k]);
      printf("]}");
    }
    free(from);
    free(to);
  }
  if (rank == 0) printf("]\n");
  MPI_Finalize();
  return 0;
}
