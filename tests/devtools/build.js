// Bundle DevTools' heap snapshot worker for Node: node build.js OUTFILE
//
// Its only tie to the browser is the translation of strings for people, which is replaced by
// functions that return the string itself.
'use strict';
const esbuild = require('esbuild');
const path = require('node:path');

const TRANSLATION = `
const same = (_, text) => text;
const lazy = () => () => '';
export const serializeUIString = text => text;
export const registerUIStrings = () => ({});
export const getLocalizedString = same;
export const getLazilyComputedLocalizedString = lazy;
export const lockedString = text => text;
export const lockedLazyString = text => () => text;
export const i18n = {
  serializeUIString, registerUIStrings, getLocalizedString, getLazilyComputedLocalizedString,
  lockedString, lockedLazyString,
};
export default {};
`;

const withoutBrowser = {
  name: 'without-browser',
  setup(build) {
    build.onResolve({ filter: /core\/i18n\/i18n\.js$|locales\.js$|i18nImpl\.js$/ },
      () => ({ path: 'translation', namespace: 'ours' }));
    build.onResolve({ filter: /text_utils\/text_utils\.js$/ },
      args => ({ path: path.resolve(args.resolveDir, args.path).replace(/\.js$/, '.ts') }));
    build.onLoad({ filter: /.*/, namespace: 'ours' }, () => ({ contents: TRANSLATION, loader: 'js' }));
  },
};

esbuild.build({
  entryPoints: [path.join(__dirname, 'entry.ts')],
  outfile: process.argv[2],
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  logLevel: 'warning',
  plugins: [withoutBrowser],
}).catch(() => process.exit(1));
