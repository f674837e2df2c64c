// The templates that come with the program, in Mustache, and the page for the time when nobody is master.
import {TEMPLATE_NAMES} from '../config/proxy-options.ts';

/** One line without quotes, backslashes and dollar signs, because it stands inside quotes in both configurations. */
const PAGE =
  '<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5><title>Unavailable</title>' +
  '<body style=font-family:sans-serif;margin:4em><h1>Unavailable</h1><p>The service is not running at the moment. ' +
  'This page looks again by itself.</body></html>';

const NGINX = `# Written by "ha-agent proxy": it is overwritten. Include it in http {}.
{{#tcp}}
# The service of {{master.nodeId}} does not speak HTTP: this template is for HTTP alone.
{{/tcp}}
{{#backend}}
upstream ha_agent_{{name}} {
  {{#master}}
  server {{address}} max_fails=0; # {{nodeId}}
  {{/master}}
  {{#waiting}}
  # Connections that the master refuses wait here for the next one.
  server {{address}} max_fails=0{{#master}} backup{{/master}};
  {{/waiting}}
}
{{/backend}}

map $http_upgrade $ha_agent_{{name}}_connection {
  default upgrade;
  "" close;
}

server {
  listen {{listen}};
  error_page 502 503 504 @ha_agent_{{name}}_unavailable;

  location / {
    {{#backend}}
    proxy_pass {{scheme}}://ha_agent_{{name}};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $ha_agent_{{name}}_connection;
    proxy_connect_timeout 1s;
    # What may have been carried out is not sent twice: POST goes on only if nothing of it was sent.
    proxy_next_upstream error timeout;
    {{/backend}}
    {{^backend}}
    return 503;
    {{/backend}}
  }

  location @ha_agent_{{name}}_unavailable {
    default_type text/html;
    add_header Retry-After 5 always;
    add_header Cache-Control no-store always;
    return 503 "{{page}}";
  }
}
`;

const HAPROXY = `# Written by "ha-agent proxy": it is overwritten. Give it to HAProxy with -f, after a file with your global section.
defaults ha-agent-{{app}}
  mode {{mode}}
  timeout connect 1s
  timeout client 1m
  timeout server 1m
{{^tcp}}
  option forwardfor
  option http-server-close
  http-error status 502 content-type "text/html" string "{{page}}" hdr Retry-After 5 hdr Cache-Control no-store
  http-error status 503 content-type "text/html" string "{{page}}" hdr Retry-After 5 hdr Cache-Control no-store
  http-error status 504 content-type "text/html" string "{{page}}" hdr Retry-After 5 hdr Cache-Control no-store
{{/tcp}}

frontend ha-agent-{{app}} from ha-agent-{{app}}
  bind {{listen}}
  default_backend ha-agent-{{app}}

backend ha-agent-{{app}} from ha-agent-{{app}}
  # The first that accepts: the master, else the waiting room.
  balance first
  retries 5
  option redispatch 1
{{^tcp}}
  # What may have been carried out is not sent twice.
  retry-on conn-failure empty-response
  http-request disable-l7-retry if !METH_GET
{{/tcp}}
{{#master}}
  server {{nodeId}} {{address}}{{#tls}} ssl verify none{{/tls}}
{{/master}}
{{#waiting}}
  server waiting {{address}}{{#tls}} ssl verify none{{/tls}}
{{/waiting}}
`;

const TEMPLATES: Readonly<Record<(typeof TEMPLATE_NAMES)[number], string>> = {nginx: NGINX, haproxy: HAPROXY};

/** @returns undefined for what is no name of a template: then it is a file. */
export const builtInTemplate = (name: string): string | undefined =>
  TEMPLATE_NAMES.flatMap((each) => (each === name ? TEMPLATES[each] : []))[0];

export const UNAVAILABLE_PAGE = PAGE;

/** The same as a whole answer. */
export const UNAVAILABLE_ANSWER = [
  'HTTP/1.1 503 Service Unavailable',
  'Content-Type: text/html',
  `Content-Length: ${PAGE.length}`,
  'Retry-After: 5',
  'Cache-Control: no-store',
  'Connection: close',
  '',
  PAGE,
].join('\r\n');
