import { register } from 'tsx/esm/api'; import { workerData } from 'node:worker_threads';
const t=performance.now(); register(); await import(workerData.module); 
