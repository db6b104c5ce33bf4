// Runs the server audits of graphql-http against URL, with KEY, and prints what they found as JSON.
import { serverAudits } from 'graphql-http';

const { URL: url, KEY: key } = process.env;
const audits = serverAudits({
  url,
  fetchFn: (address, { headers, ...options } = {}) =>
    fetch(address, { ...options, headers: { ...headers, authorization: `Bearer ${key}` } }),
});

const found = [];
for (const audit of audits) {
  const result = await audit.fn();
  found.push({
    name: `${audit.id} ${audit.name}`,
    problem: result.status === 'ok' ? null : `${result.status}: ${result.reason}`,
  });
}
console.log(JSON.stringify(found));
