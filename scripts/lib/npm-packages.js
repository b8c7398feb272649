'use strict';
// Whether node_modules holds what package-lock.json asks for, told from npm's own record of what it installed.
const fs = require('node:fs');
const path = require('node:path');

/** Compares two lockfiles' `packages`; a package that is optional may be absent (another platform's binary). */
function lockfilesAgree(wanted, installed) {
  for (const [place, entry] of Object.entries(wanted)) {
    if (place === '' || entry.link) continue;
    const found = installed[place];
    if (!found && (entry.optional || entry.devOptional)) continue;
    if (found?.version !== entry.version || found.integrity !== entry.integrity) return false;
  }
  return Object.keys(installed).every((place) => place in wanted);
}

/** True when `npm ci` would change nothing. */
function npmPackagesFresh(root) {
  const hidden = path.join(root, 'node_modules/.package-lock.json');
  if (!fs.existsSync(hidden)) return false;
  const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  return lockfilesAgree(read(path.join(root, 'package-lock.json')), read(hidden));
}

module.exports = { lockfilesAgree, npmPackagesFresh };
