/** Alert rules for Prometheus, over the hub's own metrics. hub/RUNBOOK.md says what each means and what to do. */

/** Text of the file that `sundial init` writes. */
export const alertRules = (): string => `groups:
  - name: sundial
    rules:
      - alert: HubDown
        expr: up{job="sundial"} == 0
        for: 2m
        labels: { severity: page }
        annotations: { summary: "The hub does not answer; devices go on offline and keep what they sold." }
      - alert: HubNotReady
        expr: sundial_hub_ready == 0
        for: 5m
        labels: { severity: page }
        annotations: { summary: "The hub is up and not ready: /readyz names the reason." }
      - alert: LedgerWaits
        expr: sundial_hub_ledger_writing == 0
        for: 1m
        labels: { severity: page }
        annotations: { summary: "The ledger's disk takes no records; nothing is acknowledged." }
      - alert: ChainSilent
        expr: sundial_hub_chain_age_seconds > 600
        for: 5m
        labels: { severity: page }
        annotations: { summary: "No new L2 block was seen for ten minutes; nothing is leased or settled." }
      - alert: HubKeyEnds
        expr: sundial_hub_key_seconds_left < 5 * 86400
        labels: { severity: ticket }
        annotations: { summary: "The hub's signing key ends within five days; certify the next one." }
      - alert: IndexFills
        expr: sundial_hub_index_entries / sundial_hub_index_entries_max > 0.75
        labels: { severity: ticket }
        annotations: { summary: "The index falls behind; look at its disk before the hub stops lending." }
`;
