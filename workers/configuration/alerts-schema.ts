import { z } from 'zod';
import { alertmanagerUrl, httpUrl, path, secretSource, oneSecret } from './fields';

const severities = z.array(z.enum(['page', 'ticket', 'info'])).min(1);

const webhook = oneSecret(z.strictObject({ url: httpUrl, ...secretSource() }));

/** Where alerts go to besides; it is the cluster's business to tell its other members. */
const alertmanager = z.strictObject({ url: alertmanagerUrl, tokenFile: path.optional() });

/** With `channel` the secret is a bot's token, and an incident is one thread; without it, it is the address of an incoming webhook. */
const slack = oneSecret(
  z.strictObject({
    ...secretSource(),
    channel: z
      .string()
      .regex(/^#?[A-Za-z0-9._-]{1,80}$/, 'id or name of a channel')
      .optional(),
    url: httpUrl.optional(),
    severities: severities.prefault(['page', 'ticket', 'info']),
  }),
).refine(({ channel, url }) => url === undefined || channel !== undefined, {
  path: ['url'],
  message: 'channel beside it: the address of an incoming webhook is its secret, and stands in secretFile or secretEnv',
});

const pagerDuty = oneSecret(
  z.strictObject({
    ...secretSource(),
    url: httpUrl.prefault('https://events.pagerduty.com'),
    severities: severities.prefault(['page']),
  }),
);

const mailAddress = z
  .string('a mail address')
  .max(254)
  .regex(/^([^<>@\r\n]{1,100} )?<?[^\s<>@,;]+@[A-Za-z0-9.-]+>?$/, 'a mail address, such as ops@example.org');

const email = z
  .strictObject({
    server: z
      .string()
      .regex(/^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'host:port, such as mail.example.org:587'),
    tls: z.enum(['starttls', 'implicit', 'none']).prefault('starttls'),
    caFile: path.optional(),
    user: z.string().min(1).max(200).optional(),
    ...secretSource(),
    from: mailAddress,
    to: z.array(mailAddress).min(1).max(20),
    severities: severities.prefault(['page', 'ticket']),
  })
  .refine((mail) => mail.secretFile === undefined || mail.secretEnv === undefined, {
    message: 'one of secretFile and secretEnv (the password itself never stands in this file)',
  })
  .refine((mail) => (mail.user === undefined) === ((mail.secretFile ?? mail.secretEnv) === undefined), {
    message: 'user and its password (secretFile or secretEnv) together',
  });

export const alertsSchema = z.strictObject({
  terminal: z.boolean().prefault(true),
  webhooks: z.array(webhook).max(20).prefault([]),
  alertmanagers: z.array(alertmanager).max(5).prefault([]),
  slack: z.array(slack).max(10).prefault([]),
  pagerDuty: z.array(pagerDuty).max(5).prefault([]),
  email: z.array(email).max(10).prefault([]),
});

export type AlertsText = z.output<typeof alertsSchema>;
