/** The shapes that travel between modules. For readers and type checkers: nobody loads this file. */

/**
 * @typedef {object} State
 * @property {'usage'|'analytics'|'log'|'members'|'keys'|'webhooks'|'settings'|'audit'|'sessions'} tab
 * @property {'account'|'workspace'} scope
 * @property {string} workspace
 * @property {string} metric       metric of the Usage chart
 * @property {string} by           its breakdown, or `none`
 * @property {string} g            interval, or `cumulative`; empty: what fits the range
 * @property {'chart'|'table'} view
 * @property {'linear'|'log'} scale
 * @property {string} top          series that are kept
 * @property {string[]} hide       series that are not drawn
 * @property {string} r            range
 * @property {string} tz           time zone
 * @property {Filter[]} f
 * @property {'requests'|'deliveries'} of   Analytics and log: what they are about
 * @property {'deliveries'|'attempts'} per   Analytics and log of webhooks: counted by the delivery or by the attempt
 * @property {string} chart        metric of the Analytics chart; empty: what counts
 * @property {string} split        what that chart is split by, or `none`
 * @property {'on'|'off'} active   Log: the requests that were active in the range, whenever they began
 * @property {string} dim          dimensions of the Analytics table, comma-separated
 * @property {string} why          metric whose change is told; empty: none
 * @property {string} wby          by this dimension; empty: the one that tells it best
 * @property {string} vs           range it is compared with; empty: the period before
 * @property {string} rp @property {string} rg   period and interval of the API-requests card
 * @property {string} cp @property {string} cg   those of the concurrent-requests card
 * @property {string} q            words searched in the log
 * @property {string} cursor       place in the log
 * @property {string} id           the row in the drawer
 * @property {string} cols         columns of the log, comma-separated
 * @property {string[]} at       what is picked on a page beside the tabs, `name:value`
 * @property {'normal'|'compact'} density
 */

/** @typedef {{name: string, title: string, help: string, type: string, unit: ?string, of: string, additive: boolean,
 *   attributable: boolean, joined: boolean, limited: boolean, active: boolean, good: string}} Metric */
/** @typedef {{name: string, title: string, help: string, type: string, of: string[], split: boolean, labelled: boolean,
 *   overlapping: boolean, workspace_only: boolean, indexed: boolean, absent: string, joined: boolean}} Dimension */
/** @typedef {{name: string, title: string, help: string, type: string, unit: ?string, shown: boolean, joined: boolean}} Column
 *  `joined`: only whole deliveries have it, no attempt does */

/** @typedef {{dimension: string, op: string, values: string[]}} Filter  An empty value means "absent". */

/**
 * @typedef {object} Series
 * @property {string} key       stands for the values of the dimensions; `~other` for the fold
 * @property {(string|number|boolean|null)[]} values   one per dimension
 * @property {string} label
 * @property {boolean} other
 * @property {(string|number|null)[]} cells    as answered, one per bucket
 * @property {(number|null)[]} points          the same to draw; null is a gap
 * @property {string} color @property {boolean} hatch
 */
/** @typedef {{edges: number[], from: number, to: number, series: Series[], unit: string, asOf: number}} ChartData
 *  `from`, `to`: what was counted; it may cut the first and the last bucket */

/** @typedef {{value: string, title: string, hint?: string, group?: string, reason?: string}} Item  `reason`: why it cannot be picked */

export {};
