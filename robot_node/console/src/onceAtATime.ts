/**
 * A function that runs `job` once at a time: calls meanwhile make it run once more, at least `pauseMs` later, however
 * many they are. It rejects as the job does, which then runs no more until the next call.
 */
export function onceAtATime(job: () => Promise<void>, pauseMs = 0): () => Promise<void> {
  let running: Promise<void> | null = null;
  let again = false;
  const run = async () => {
    do {
      again = false;
      await job();
      if (pauseMs) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    } while (again);
  };
  return () => {
    again = running !== null;
    running ??= run().finally(() => (running = null));
    return running;
  };
}
