// Build what the browser gets: frontend/static -> frontend/static/dist, every name with a hash of its content.
//   node build.mjs        everything, and manifest.json last (its time tells make what is current)
//   node build.mjs css    the style sheet alone, when everything else is there
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const HERE = dirname(fileURLToPath(import.meta.url));
const STATIC = join(HERE, "static");
const DIST = join(STATIC, "dist");
const MODULES = join(HERE, "node_modules");
const SCRIPTS = ["theme.js", "numbers.js", "alpine-init.js", "components.js", "download-monitor.js", "generate-monitor.js", "generate-form.js", "combobox.js", "gallery.js", "services-monitor.js"];
const VENDORED = {
  "htmx.js": "htmx.org/dist/htmx.min.js",
  "hx-alpine-compat.js": "htmx.org/dist/ext/hx-alpine-compat.min.js",
  "alpine.js": "@alpinejs/csp/dist/cdn.min.js",
};
const FONTS = {
  "fonts/inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
  "fonts/jetbrains-mono.woff2": "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
};
const LICENCES = ["htmx.org", "lucide-static", "@fontsource-variable/inter", "@fontsource-variable/jetbrains-mono"];

const TEXT = new Set([".css", ".js", ".svg", ".txt"]);

const manifest = {};

/** Write *content*, and text a second time compressed, under a name that changes with it, and remember both names. */
function publish(name, content) {
  const bytes = Buffer.from(content);
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  const hashed = `${basename(name, extname(name))}.${hash}${extname(name)}`;
  writeFileSync(join(DIST, hashed), bytes);
  if (TEXT.has(extname(name))) writeFileSync(join(DIST, `${hashed}.gz`), gzipSync(bytes, { level: 9 }));
  manifest[name] = hashed;
}

/** Compile the style sheet; its font addresses become the published ones. */
function styles() {
  const input = join(STATIC, "css", "styles.css");
  const cli = join(MODULES, "@tailwindcss", "cli", "dist", "index.mjs");
  const css = execFileSync(process.execPath, [cli, "-i", input, "--minify"], { cwd: HERE, stdio: ["ignore", "pipe", "pipe"] });
  return css.toString().replace(/fonts\/[\w-]+\.woff2/g, (name) => {
    if (!manifest[name]) throw new Error(`${name} is used by the style sheet but not published`);
    return manifest[name];
  });
}

/** Join the icons that static/icons/icons.json names into one file of symbols. */
function sprite() {
  const names = JSON.parse(readFileSync(join(STATIC, "icons", "icons.json"), "utf8"));
  const symbols = names.map((name) => {
    const svg = readFileSync(join(MODULES, "lucide-static", "icons", `${name}.svg`), "utf8");
    const body = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(svg)[1].replace(/\s+/g, " ").replace(/ \/>/g, "/>").replace(/> </g, "><").trim();
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${body}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
}

/** Join the licences of everything that is published; they ask to travel with it. */
function licences() {
  const texts = LICENCES.map((name) => `${name}\n\n${readFileSync(join(MODULES, name, "LICENSE"), "utf8").trim()}`);
  // Alpine's package brings no licence file.
  texts.push(readFileSync(join(STATIC, "licences", "alpine.txt"), "utf8").trim());
  return `${texts.join("\n\n----\n\n")}\n`;
}

function main(part) {
  const known = join(DIST, "manifest.json");
  if (part === "css" && existsSync(known)) {
    Object.assign(manifest, JSON.parse(readFileSync(known, "utf8")));
  } else {
    rmSync(DIST, { recursive: true, force: true });
    mkdirSync(DIST, { recursive: true });
    for (const [name, source] of Object.entries(FONTS)) publish(name, readFileSync(join(MODULES, source)));
    for (const [name, source] of Object.entries(VENDORED)) {
      publish(`js/${name}`, readFileSync(join(MODULES, source), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n"));
    }
    for (const name of SCRIPTS) publish(`js/${name}`, readFileSync(join(STATIC, "js", name)));
    publish("icons.svg", sprite());
    publish("favicon.svg", readFileSync(join(STATIC, "icons", "favicon.svg")));
    publish("licences.txt", licences());
  }
  publish("css/styles.css", styles());
  const kept = new Set(["manifest.json", ...Object.values(manifest).flatMap((name) => [name, `${name}.gz`])]);
  const left = readdirSync(DIST).filter((name) => !kept.has(name));
  for (const name of left) rmSync(join(DIST, name));
  writeFileSync(known, `${JSON.stringify(manifest, null, 2)}\n`);
}

main(process.argv[2]);
