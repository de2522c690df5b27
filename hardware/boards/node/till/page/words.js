// What the till's page says, in English and Chinese; money and times as the reader's browser writes them.

const CHINESE = {
  Sell: '收款',
  Payments: '账目',
  Day: '日结',
  Online: '在线',
  Offline: '离线',
  Training: '培训模式',
  'no money moves': '不产生真实交易',
  'may still be taken offline': '离线还可收取',
  'wait for the hub': '笔待上交',
  'The till does not answer. It is asked again.': '收款机没有应答，正在重试。',
  'This till is out of order: it signs nothing more. What it sold is kept.':
    '本机已停用：不再签名。已售款项已保存。',
  'It does not know what time it is: let it meet the hub once.': '本机不知道当前时间：请先连接一次枢纽。',
  'This page is opened by the link that the till printed when it started.':
    '请使用收款机启动时打印的链接打开此页。',
  Amount: '金额',
  Currency: '货币',
  'rate good until': '汇率有效至',
  'File of quotes': '汇率文件',
  Order: '订单号',
  optional: '可选',
  Tip: '小费',
  none: '无',
  Hold: '预授权',
  'take less later': '之后可少收',
  'Next item': '下一项',
  'Delete digit': '删除一位',
  Clear: '清空',
  Take: '收取',
  Cancel: '取消',
  'Take only': '只收',
  'Still to pay': '尚欠',
  'Hold your device here': '请将设备靠近此处',
  "Scan the customer's code first": '请先扫描顾客的二维码',
  'Code for the customer to scan': '供顾客扫描的二维码',
  'For the customer': '给顾客',
  "The customer's code": '顾客的二维码',
  'No camera: a scanner that types will do.': '没有摄像头：可使用扫码枪。',
  Scanner: '扫码枪',
  Paid: '已支付',
  Held: '已预授权',
  'Not paid': '未支付',
  'Next sale': '下一笔',
  Receipt: '收据',
  'The last device said no': '上一台设备拒绝了',
  Refund: '退款',
  Capture: '收取预授权',
  'of at most': '最多',
  'Give back': '退回',
  'Nothing was sold yet.': '还没有销售。',
  approved: '已支付',
  failed: '未支付',
  open: '进行中',
  held: '预授权中',
  cancelled: '已取消',
  expired: '无人付款',
  interrupted: '被中断',
  refused: '被拒绝',
  'given back': '已退回',
  'More about it': '详情',
  'Close the day': '日结',
  'Close the day now? Its report is kept, and the next day begins.': '现在日结？报表将保存，并开始新的一天。',
  'Yes, close it': '确认日结',
  'Day so far': '当日累计',
  'Closed days': '已日结',
  sales: '销售',
  tips: '小费',
  refunds: '退款',
  released: '预授权释放',
  net: '净额',
  'cleared by the hub': '枢纽授权',
  'still held': '尚在预授权',
  'said no': '拒绝次数',
  'waiting for the hub': '待上交枢纽',
  'played in training': '培训交易',
  'Hand in now': '立即上交',
  'Handing in…': '正在上交…',
  'Begin training': '开始培训',
  'End training': '结束培训',
  Language: '语言',
  Sundial: 'Sundial',
  over_tap_limit: '超出设备的单次离线限额',
  over_spend_limit: '余额不足',
  over_day_limit: '超出设备每日限额',
  declined: '顾客拒绝',
  lease_missing: '设备需先连接网络',
  lease_expired: '设备需先连接网络',
  revoked: '该设备已被停用',
  unconfirmed_here: '上一笔支付尚未确认，请稍候再试',
  cap_channel: '该顾客离线额度已满，请连接网络',
  cap_total: '本机离线额度已满，请连接网络',
  outbox_full: '待上交过多，请连接网络',
  no_time_basis: '本机不知道时间，请连接网络',
  not_free: '余额不足',
  frozen: '设备已停用',
};

/** Refusals as people say them; others by their name. */
const REFUSALS = {
  over_tap_limit: 'above what this device pays with no network',
  over_spend_limit: 'not enough money left',
  over_day_limit: "above the device's limit for one day",
  declined: 'the customer said no',
  lease_missing: 'the device must meet a network first',
  lease_expired: 'the device must meet a network first',
  revoked: 'this device was taken out of use',
  unconfirmed_here: 'an earlier payment is being settled: try again in a moment',
  cap_channel: 'this customer owes enough until the till meets the network',
  cap_total: 'the till took enough until it meets the network',
  outbox_full: 'too much waits for the hub: let the till meet the network',
  no_time_basis: 'the till does not know the time: let it meet the network',
  not_free: 'not enough money left',
  frozen: 'the device is out of order',
};

const remembered = localStorage.getItem('language');
let language = remembered ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');
document.documentElement.lang = language;

/** The language in use, `en` or `zh`. */
export const languageNow = () => language;

/** Changes it, for this browser. */
export function setLanguage(next) {
  language = next;
  localStorage.setItem('language', next);
  document.documentElement.lang = next;
}

/** A text in the reader's language. */
export const t = (text) => (language === 'zh' ? (CHINESE[text] ?? text) : text);

/** A named refusal in words. */
export const why = (code) => (language === 'zh' ? (CHINESE[code] ?? code) : (REFUSALS[code] ?? code));

const locale = () =>
  language === 'zh' ? 'zh-CN' : navigator.language.startsWith('zh') ? 'en' : navigator.language;

/** Units as money, never raw: 4500000 is 4.50. */
export const price = (units) =>
  new Intl.NumberFormat(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 6 }).format(
    units / 1_000_000,
  );

/** A price in another currency, from its smallest unit: 450 is €4.50. */
export const priceIn = ({ currency, digits }, smallest) =>
  new Intl.NumberFormat(locale(), { style: 'currency', currency }).format(smallest / 10 ** digits);

/** Seconds as a moment in the reader's own time zone. */
export const moment = (at) =>
  new Intl.DateTimeFormat(locale(), { dateStyle: 'short', timeStyle: 'short' }).format(at * 1000);
