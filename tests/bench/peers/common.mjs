// common.mjs: what both peers are measured with: the CPU and the memory of a tree of processes, the size of a folder,
// and many promises, so many at once.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const TICKS_A_SECOND = 100;

function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const f = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // user and system time, of it and of its children that have ended; 4 KiB pages
    return { pid: +pid, parent: +f[1], ticks: +f[11] + +f[12] + +f[13] + +f[14], rssKib: +f[21] * 4 };
  } catch {
    return null; // it has ended meanwhile
  }
}

function tree(root) {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(stat).filter(Boolean);
  const inside = new Set([root]);
  for (let before = 0; before !== inside.size; ) {
    before = inside.size;
    for (const p of all) if (inside.has(p.parent)) inside.add(p.pid);
  }
  return all.filter((p) => inside.has(p.pid));
}

// Of this process and all below it: the peer, and what drives it.
export const cpuSeconds = () => tree(process.pid).reduce((sum, p) => sum + p.ticks, 0) / TICKS_A_SECOND;
export const rssKib = () => tree(process.pid).reduce((sum, p) => sum + p.rssKib, 0);

export function folderBytes(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sum + folderBytes(path);
    try {
      return sum + statSync(path).blocks * 512;
    } catch {
      return sum; // removed meanwhile
    }
  }, 0);
}

export async function atOnce(width, total, fn) {
  let begun = 0;
  const one = async () => {
    while (begun < total) await fn(begun++);
  };
  await Promise.all(Array.from({ length: Math.min(width, total) }, one));
}

// 20 steps a run: what they cost.  The first runs only warm it up.
export async function measureSteps(width, total, fn) {
  await atOnce(width, Math.ceil(total / 10), fn);
  const cpu = cpuSeconds(), from = process.hrtime.bigint();
  await atOnce(width, total, fn);
  const seconds = Number(process.hrtime.bigint() - from) / 1e9, steps = 20 * total;
  return { at_once: width, steps_per_s: Math.round(steps / seconds), cpu_us: Math.round((1e6 * (cpuSeconds() - cpu)) / steps) };
}

export async function measureParked(total, folder, fn, settled) {
  const rss = rssKib(), disk = folderBytes(folder);
  await atOnce(64, total, fn);
  await settled();
  return { runs: total, kib: +((rssKib() - rss) / total).toFixed(1), disk_bytes: Math.round((folderBytes(folder) - disk) / total) };
}

// A server that does not outlive us, however we end, with all that it begins: it was spawned `detached`, as a group.
export function endWithUs(server, signal) {
  process.on("exit", () => process.kill(-server.pid, signal));
  for (const s of ["SIGINT", "SIGTERM"]) process.on(s, () => process.exit(1));
}

export const answer = (object) => process.stdout.write(JSON.stringify(object) + "\n");
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(fn) {
  for (let i = 0; i < 600; i++) {
    try {
      return await fn();
    } catch {
      await pause(100);
    }
  }
  return fn();
}
