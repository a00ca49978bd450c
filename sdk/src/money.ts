/** An amount as the shop's customers write it; empty for none. */
export function formatMoney(amount: string | null | undefined, currency = '', locale?: string): string {
  if (amount == null || amount === '' || !Number.isFinite(Number(amount))) return ''
  try {
    return new Intl.NumberFormat(locale, { style: 'currency', currency }).format(Number(amount))
  } catch {
    return `${amount} ${currency}`.trim() // an unknown locale or currency
  }
}
