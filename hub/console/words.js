// What the console says, in English and Chinese; money and times as the reader's browser writes them.

const CHINESE = {
  Now: '概况',
  Payments: '支付',
  Devices: '设备',
  Channels: '通道',
  Settlements: '结算',
  Limits: '限额',
  'for a group, covered by the bond': '限于一组终端，由保证金覆盖',
  'for any terminal': '任意终端',
  'Lost after the bond, by terminals that are offline at once': '扣除保证金后的损失（按同时离线的终端数）',
  'A copied key pays at every terminal that has no network. The bond of its channel pays for that first; what is above it, terminals that took the money lose.':
    '被复制的密钥可在每台离线终端付款。其通道的保证金先行赔付，超出部分由收款终端承担。',
  'Deposit of a channel': '每个通道的存款',
  'Terminals offline at once': '同时离线的终端数',
  'Give an amount such as 300, and 1 to 1,000 terminals.': '请输入金额（如 300）和 1 至 1000 台终端。',
  Leases: '租约',
  'A tap, at most': '单次最多',
  'A terminal, at most': '每台终端最多',
  Terminals: '终端',
  'Taken at most': '最多取走',
  'Lost at most': '最多损失',
  'Borne by': '承担者',
  nobody: '无',
  'merchants, each terminal up to': '商户，每台终端至多',
  'Simulated anew, with your own figures:': '用您自己的数字重新模拟：',
  'Simulated attacks': '模拟攻击',
  'Copies of one key, each at a terminal of another merchant, on leases for any terminal; taken above what could be paid.':
    '同一密钥的多个副本，各在不同商户的终端，使用任意终端租约；金额为超出可付部分的取走额。',
  'attacks for each figure; here': '次攻击得出每个数字；此处为',
  copies: '个副本',
  'Terminals meet the hub': '终端与枢纽联系',
  'Taken on average': '平均取走',
  'Lost on average, after the bond': '扣除保证金后平均损失',
  'Taken on average, by copies': '平均取走（按副本数）',
  always: '始终',
  'once in an hour': '每小时一次',
  'not that day': '当天不联系',
  Merchants: '商户',
  Audit: '审计',
  'as PDF': '导出 PDF',
  Passkeys: '通行密钥',
  Approvals: '审批',
  'Sign in with a passkey': '使用通行密钥登录',
  'A passkey signs you in from this phone or computer, with its lock, and without a link.':
    '通行密钥让您在此手机或电脑上以解锁方式登录，无需链接。',
  'Add a passkey': '添加通行密钥',
  'No passkey yet.': '尚无通行密钥。',
  Added: '添加时间',
  'Last used': '上次使用',
  'One person asks, another one lets it happen.': '一人提出，另一人批准。',
  'Nothing waits.': '没有待批事项。',
  Asked: '提出时间',
  Until: '截止',
  'No passkey was used.': '未使用通行密钥。',
  Approve: '批准',
  Refuse: '拒绝',
  Webhooks: '网络钩子',
  'Payments, devices that are gone and alerts are told to these addresses, signed, until they are taken.':
    '支付、失联设备和警报会以签名消息告知这些地址，直到对方收下。',
  'Add a webhook': '添加网络钩子',
  'Address (https)': '地址（https）',
  Address: '地址',
  'No webhook yet.': '尚无网络钩子。',
  'Its secret, shown once:': '密钥（仅显示一次）：',
  'The receiver took it.': '接收方已收下。',
  Behind: '积压',
  'Last told': '上次送达',
  Acts: '操作',
  Test: '测试',
  'New secret': '新密钥',
  'Take up': '恢复',
  Remove: '移除',
  disabled: '已停用',
  failing: '送达失败',
  well: '正常',
  'Skip to the page': '跳到正文',
  'Sign out': '退出登录',
  'The hub does not answer. What you see is from before.': '枢纽没有应答；下面是之前的数据。',
  'Nobody is signed in.': '尚未登录。',
  'You pay with a wearable or a car? This is your page.': '您用可穿戴设备或汽车付款？这是您的页面。',
  'In the folder of the hub, this prints a link that signs you in, once:':
    '在枢纽的目录中运行以下命令，会得到一个一次性登录链接：',
  'All is well': '一切正常',
  'Not ready': '未就绪',
  'in the ledger, not settled yet': '已入账本，尚未结算',
  'settled on L2': '已在 L2 结算',
  payments: '笔支付',
  'oldest unsettled': '最早未结算',
  none: '无',
  'devices online': '在线设备',
  deposits: '押金总额',
  'of them bonds': '其中保证金',
  'Payments by hour': '每小时支付',
  'last 24 hours': '最近 24 小时',
  Chain: '链',
  Broker: '消息代理',
  Ledger: '账本',
  Keys: '密钥',
  block: '区块',
  'seconds ago': '秒前',
  connected: '已连接',
  'not connected': '未连接',
  records: '条记录',
  'days left': '天后到期',
  Newest: '最新',
  Find: '查找',
  Amount: '金额',
  Day: '日期',
  Till: '收款机',
  Merchant: '商户',
  Id: '编号',
  State: '状态',
  any: '任意',
  acknowledged: '已确认',
  settled: '已结算',
  void: '作废',
  Time: '时间',
  Channel: '通道',
  More: '更多',
  'in all': '合计',
  'of the newest': '最近的记录中',
  'Nothing fits.': '没有符合条件的支付。',
  'What a till has not handed in yet is only there: look at Devices when it was last in contact.':
    '收款机尚未上交的支付只存在于收款机中：请在“设备”页查看其最近联系时间。',
  Payment: '支付',
  'Its life': '经过',
  paid: '支付',
  credited: '退回',
  Proofs: '证明',
  'Enrol a device': '登记设备',
  Name: '名称',
  Role: '类型',
  'Make a code': '生成登记码',
  'This code is good once, until': '此登记码仅可使用一次，有效至',
  'On the device:': '在设备上运行：',
  Online: '在线',
  Offline: '离线',
  Revoked: '已吊销',
  'never registered': '从未注册',
  'handed in': '上交至',
  Revoke: '吊销',
  'Revoke it? It is registered no more; what it sold is taken as ever.':
    '确定吊销？它将不再被注册；已售款项照常接收。',
  'It may accept with no network until': '离线收款最迟至',
  'No device yet.': '还没有设备。',
  Payer: '付款方',
  Deposit: '押金',
  Spent: '已花费',
  Lanes: '支付线',
  'Proved dishonest': '已证实作弊',
  leaving: '正在退出',
  revoked: '已吊销',
  open: '开放',
  Allow: '恢复',
  'Revoke this channel? Terminals that hear of it refuse it.': '确定吊销此通道？得知消息的终端将拒绝它。',
  'No channel yet.': '还没有通道。',
  'Settle now': '立即结算',
  'Settling…': '正在结算…',
  Lines: '行数',
  Transaction: '交易',
  Gas: 'Gas',
  'Gas a payment line': '每行 Gas',
  'No settlement yet.': '还没有结算。',
  Statement: '对账单',
  opening: '期初',
  sales: '销售',
  refunds: '退款',
  fees: '费用',
  closing: '期末',
  'in flight': '在途',
  From: '从',
  To: '至',
  Show: '显示',
  'as CSV': '下载 CSV',
  'No merchant yet.': '还没有商户。',
  Add: '添加',
  Who: '谁',
  What: '做了什么',
  About: '对象',
  Answer: '应答',
  Back: '返回',
  Language: '语言',
  'Your role may not see this.': '您的角色无权查看此页。',
  wearable: '可穿戴设备',
  car: '汽车',
  pos: '收款机',
  charger: '充电桩',
  'Something is missing?': '找不到？',
};

let language = localStorage.getItem('language') ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');
document.documentElement.lang = language;

/** Adds what another page says: texts in Chinese by their English. */
export const learn = (more) => Object.assign(CHINESE, more);

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

const locale = () =>
  language === 'zh' ? 'zh-CN' : navigator.language.startsWith('zh') ? 'en' : navigator.language;
const UNIT = 1_000_000;

/** Units as money, never raw: 4500000 is 4.50. */
export const money = (units) =>
  new Intl.NumberFormat(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 6 }).format(
    units / UNIT,
  );

export const number = (value) => new Intl.NumberFormat(locale()).format(value);

/** Seconds as a moment in the reader's own time zone. */
export const moment = (at) =>
  at === undefined || at === 0
    ? '–'
    : new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(at * 1000);

/** Hour of a moment. */
export const hour = (at) =>
  new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' }).format(at * 1000);
