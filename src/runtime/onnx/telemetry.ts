// The official builds of ONNX Runtime report to Microsoft what they run, unless this is set before the library loads.

/** Worker threads have a copy of the environment that native code does not see, so this is called on the main thread too. */
export function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
}
