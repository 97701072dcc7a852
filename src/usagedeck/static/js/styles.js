/** What everything looks like: the design tokens and the rules that all elements of the page share. */
import {css} from '../vendor/lit.js';

/** The public theming API: every colour and font is one of these. Set on the outermost element only. */
export const tokens = css`
  :host {
    color-scheme: light dark;
    --ud-font: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
    --ud-mono: ui-monospace, "SFMono-Regular", Menlo, Consolas, "Liberation Mono", monospace;
    --ud-bg: light-dark(#f6f7f9, #0e1014);
    --ud-surface: light-dark(#ffffff, #15181e);
    --ud-surface-2: light-dark(#f1f3f6, #1c2027);
    --ud-hover: light-dark(#eceff4, #232832);
    --ud-border: light-dark(#dfe3ea, #2a303a);
    --ud-border-strong: light-dark(#858e9c, #707a8a);
    --ud-text: light-dark(#14181f, #eceff4);
    --ud-text-2: light-dark(#434b58, #b9c0cc);
    --ud-text-3: light-dark(#5f6876, #939cab);
    --ud-accent: light-dark(#3a3fd0, #8f9bff);
    --ud-accent-2: light-dark(#2c30a8, #b0b8ff);
    --ud-accent-soft: light-dark(#e9eafc, #242a4d);
    --ud-on-accent: light-dark(#ffffff, #0e1014);
    --ud-ok: light-dark(#0b7148, #5fd69b);
    --ud-ok-soft: light-dark(#def4e9, #123225);
    --ud-warn: light-dark(#855100, #f0b75a);
    --ud-warn-soft: light-dark(#fdf0d6, #35270d);
    --ud-err: light-dark(#b3202f, #ff8e93);
    --ud-err-soft: light-dark(#fde7e8, #3b181c);
    --ud-info: light-dark(#075d92, #74c2f5);
    --ud-info-soft: light-dark(#e0f0fb, #0f2c40);
    --ud-grid: light-dark(#e6e9ef, #252a33);
    --ud-focus: light-dark(#3a3fd0, #9fabff);
    --ud-shadow: 0 8px 28px light-dark(#14181f2e, #000000b3);
    --ud-c0: light-dark(#8a93a1, #7c8695);
    --ud-c1: light-dark(#2826ac, #9db8ff);
    --ud-c2: light-dark(#d07814, #fec858);
    --ud-c3: light-dark(#03a087, #5defcc);
    --ud-c4: light-dark(#9b005f, #e84287);
    --ud-c5: light-dark(#9b7aed, #5f4ff2);
    --ud-c6: light-dark(#805e06, #bc9801);
    --ud-c7: light-dark(#016fa8, #3293cd);
    --ud-c8: light-dark(#6d2002, #b04b17);
    --ud-s2: light-dark(#7489a6, #63779a);
    --ud-s3: light-dark(#5f87b0, #6f9fd0);
    --ud-s4: light-dark(#d07814, #fec858);
    --ud-s5: light-dark(#c0263a, #ff6b74);
  }
  :host([theme="light"]) { color-scheme: light; }
  :host([theme="dark"]) { color-scheme: dark; }
`;

/** Text, controls, cards, tables: adopted by every element. */
export const base = css`
  :host { display: block; }
  :host([hidden]), [hidden] { display: none !important; }
  *, *::before, *::after { box-sizing: border-box; }
  h1, h2, h3, p, dl, dd, ul, ol, pre, figure { margin: 0; padding: 0; }
  ul, ol { list-style: none; }
  h1 { font-size: 20px; line-height: 28px; font-weight: 650; letter-spacing: -.01em; }
  h2 { font-size: 16px; line-height: 24px; font-weight: 600; }
  h3 { font-size: 13px; line-height: 20px; font-weight: 600; }
  a { color: var(--ud-accent); text-underline-offset: 2px; }
  code, pre, .mono { font: 12.5px/18px var(--ud-mono); }
  button, input, select { font: inherit; color: inherit; letter-spacing: inherit; }
  :focus-visible { outline: 2px solid var(--ud-focus); outline-offset: 2px; }
  .muted { color: var(--ud-text-3); }
  .warn { color: var(--ud-warn); }
  .bad { color: var(--ud-err); }
  .good { color: var(--ud-ok); }
  .small { font-size: 12px; line-height: 16px; }
  .row { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; min-width: 0; }
  .grow { flex: 1; min-width: 0; }
  .only-read {
    position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%);
    white-space: nowrap;
  }

  .button {
    display: inline-flex; align-items: center; gap: 6px; min-height: 32px; max-width: 100%; padding: 0 10px;
    border: 1px solid var(--ud-border); border-radius: 8px; background: var(--ud-surface); color: var(--ud-text);
    font: 500 13px/20px var(--ud-font); text-decoration: none; white-space: nowrap; cursor: pointer;
  }
  .button:hover { background: var(--ud-hover); }
  .button[aria-pressed="true"] { background: var(--ud-accent-soft); border-color: var(--ud-accent); color: var(--ud-accent-2); }
  .button.plain { border-color: transparent; background: none; }
  .button.plain:hover { background: var(--ud-hover); }
  .button.primary { background: var(--ud-accent); border-color: var(--ud-accent); color: var(--ud-on-accent); }
  .button.icon { justify-content: center; min-width: 32px; padding: 0; }
  .button.tiny { min-height: 24px; min-width: 24px; padding: 0 6px; font-size: 12px; border-radius: 6px; }
  .key { gap: 4px 14px; color: var(--ud-text-2); }
  .button:disabled, .button[aria-disabled="true"] {
    color: var(--ud-text-3); cursor: not-allowed; background: none; border-color: var(--ud-border);
  }
  .button > .cut { overflow: hidden; text-overflow: ellipsis; }
  .button .soft { color: var(--ud-text-2); font-weight: 400; }
  kbd {
    padding: 0 4px; border: 1px solid var(--ud-border); border-radius: 4px; background: var(--ud-surface-2);
    color: var(--ud-text-2); font: 11px/16px var(--ud-font);
  }
  .field {
    min-height: 32px; width: 100%; padding: 0 10px; border: 1px solid var(--ud-border-strong); border-radius: 8px;
    background: var(--ud-surface); font: 13px/20px var(--ud-font);
  }
  .field::placeholder { color: var(--ud-text-3); opacity: 1; }

  .toolbar { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 8px; margin: 16px 0 12px; }
  .toolbar > .end { display: flex; flex-wrap: wrap; gap: 8px; margin-left: auto; }
  .card {
    position: relative; min-width: 0; padding: 16px; border: 1px solid var(--ud-border); border-radius: 12px;
    background: var(--ud-surface);
  }
  .card > header { display: flex; min-height: 32px; flex-wrap: wrap; align-items: flex-start; gap: 8px; margin-bottom: 12px; }
  .card > header .end { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; margin-left: auto; }
  .cards { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 12px; margin-top: 12px; }
  @container (width < 860px) { .cards { grid-template-columns: minmax(0, 1fr); } }
  .busy { opacity: .6; }
  .progress { position: absolute; inset: 0 0 auto; height: 2px; border-radius: 12px 12px 0 0; overflow: hidden; }
  .progress::before {
    content: ""; position: absolute; inset: 0; background: var(--ud-accent); animation: slide 1.2s infinite linear;
  }
  @keyframes slide { from { transform: translateX(-100%); } to { transform: translateX(100%); } }
  .skeleton { border-radius: 8px; background: var(--ud-surface-2); }
  .state { display: flex; flex-direction: column; align-items: flex-start; gap: 8px; padding: 24px 0; }
  .alert {
    padding: 8px 12px; border: 1px solid var(--ud-err); border-radius: 8px; background: var(--ud-err-soft);
    color: var(--ud-err); margin: 8px 0 12px;
  }
  .alert code { overflow-wrap: anywhere; }
  pre.code {
    padding: 12px; border: 1px solid var(--ud-border); border-radius: 8px; background: var(--ud-surface-2);
    overflow: auto; white-space: pre;
  }

  .scroll { overflow: auto; }
  table { width: 100%; border-collapse: collapse; font: 13px/20px var(--ud-font); font-variant-numeric: tabular-nums; }
  caption { text-align: left; }
  th, td { padding: 5px 10px; border-bottom: 1px solid var(--ud-border); text-align: left; vertical-align: middle; }
  thead th { color: var(--ud-text-3); font: 500 12px/16px var(--ud-font); white-space: nowrap; }
  tbody th { font-weight: 400; }
  tbody tr:hover { background: var(--ud-hover); }
  td.number, th.number { text-align: right; white-space: nowrap; }
  tfoot th, tfoot td { font-weight: 600; border-bottom: 0; }

  .tag {
    display: inline-block; padding: 0 6px; border-radius: 5px; font: 600 12px/20px var(--ud-mono);
    background: var(--ud-surface-2); color: var(--ud-text-2);
  }
  .tag.s2 { background: var(--ud-ok-soft); color: var(--ud-ok); }
  .tag.s1, .tag.s3 { background: var(--ud-info-soft); color: var(--ud-info); }
  .tag.s4 { background: var(--ud-warn-soft); color: var(--ud-warn); }
  .tag.s5, .tag.s0 { background: var(--ud-err-soft); color: var(--ud-err); }
  .swatch { flex: none; display: inline-block; width: 10px; height: 10px; border-radius: 3px; overflow: hidden; }

  [popover] {
    position: fixed; inset: auto; margin: 0; padding: 4px; max-width: calc(100vw - 16px); overflow: auto; visibility: hidden;
    border: 1px solid var(--ud-border); border-radius: 10px; background: var(--ud-surface); color: var(--ud-text);
    box-shadow: var(--ud-shadow); font: 14px/20px var(--ud-font);
  }
  [popover].placed { visibility: visible; }
  @media (pointer: coarse) { .button, .field { min-height: 44px; } }
  @media (forced-colors: active) { .button[aria-pressed="true"] { border-color: Highlight; } .swatch { forced-color-adjust: none; } }
  @media (prefers-reduced-motion: reduce) { .progress::before { animation: none; } }
`;
