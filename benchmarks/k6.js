// The same requests for k6. CASE, URL, SECONDS come from the environment; with RATE it is an open model, else 50 VUs.
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';

const url = __ENV.URL;
const seconds = `${__ENV.SECONDS}s`;
const rate = Number(__ENV.RATE || 0);

export const options = {
  scenarios: {
    load: rate
      ? { executor: 'constant-arrival-rate', rate: rate, timeUnit: '1s', duration: seconds,
          preAllocatedVUs: Number(__ENV.VUS || 200), maxVUs: 2000 }
      : { executor: 'constant-vus', vus: 50, duration: seconds },
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

const submission = {
  procedure: '2.000815', province: '01', commune: '00004',
  applicant: { SoDinhDanh: '001085012345', HoVaTen: 'Nguyễn Văn A' },
  form: { SoBan: 1, GhiChu: 'Nộp trực tuyến' },
};
const client = 'client_id=national&redirect_uri=https%3A%2F%2Fportal.invalid%2Fcallback';

function asked(method, path, body, headers, good, name) {
  const reply = http.request(method, url + path, body, { headers: headers, redirects: 0, tags: { name: name || path } });
  const content = reply.json();
  check(content, { content: good });
  return content;
}

function get() {
  asked('GET', '/small', null, {}, (c) => c.error_code === 0);
}

function post() {
  const key = `b-${exec.scenario.iterationInTest}-submit`;
  asked('POST', '/dossiers', JSON.stringify(submission),
    { 'Content-Type': 'application/json', 'Idempotency-Key': key }, (c) => c.code && c.state === 1);
}

function journey() {
  const number = exec.scenario.iterationInTest;
  const state = `s${number}`;
  const json = { 'Content-Type': 'application/json' };
  const landing = http.get(
    `${url}/authorize?${client}&response_type=code&scope=openid&state=${state}&nonce=${state}&login_hint=001`,
    { redirects: 0, tags: { name: '/authorize' } }).headers.Location;
  const code = landing.split('code=')[1].split('&')[0];
  const form = `${client}&grant_type=authorization_code&code=${code}&client_secret=bi-mat-national`;
  const token = asked('POST', '/token', form, { 'Content-Type': 'application/x-www-form-urlencoded' },
    (c) => c.access_token).access_token;
  const session = asked('POST', '/session', JSON.stringify({ access_token: token }), json, (c) => c.session).session;
  const bearer = { Authorization: `Bearer ${session}` };
  const both = Object.assign({}, json, bearer);
  asked('GET', '/procedures?q=2.000815&limit=5', null, bearer,
    (c) => c.items.some((item) => item.code === '2.000815'), '/procedures');
  asked('POST', '/population', JSON.stringify({
    SoDinhDanh: '001085012345', HoVaTen: 'Nguyễn Văn A', NgayThangNamSinh: '1985-01-01' }), both,
  (c) => c.error_code === 0);
  const keyed = Object.assign({ 'Idempotency-Key': `b-${number}-submit` }, both);
  let dossier;
  for (let i = 0; i < (number % 33 === 0 ? 2 : 1); i++) {
    dossier = asked('POST', '/dossiers', JSON.stringify(submission), keyed, (c) => c.state === 1).code;
  }
  if (number % 10 < 6) {
    const payment = asked('POST', `/dossiers/${dossier}/payment`, '{}',
      Object.assign({ 'Idempotency-Key': `b-${number}-pay` }, both), (c) => c.MaGiaoDich, '/payment').MaGiaoDich;
    asked('POST', `/payments/${payment}/pay`, '{}', json, (c) => c.error_code === 0, '/pay');
  }
  asked('GET', `/dossiers/${dossier}`, null, bearer, (c) => c.code === dossier, '/dossiers/');
}

export default function () {
  ({ get, post, journey })[__ENV.CASE]();
}
