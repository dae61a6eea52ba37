import { join } from 'node:path';
import { Child } from '../gateway-parts/processes';
import type { UserRecord } from './records';
import type { UserPlan } from './users';

/** About 500 requests a second, 20 of them at a time, beside 8 event streams. */
export const USERS: Omit<UserPlan, 'entrance' | 'sessionMs'> = { unpinned: 12, pinned: 8, streams: 8, pauseMs: 30 };

/** The users of one way, in a process of their own. */
export class Users {
  private constructor(private readonly child: Child) {}

  static async start(plan: UserPlan): Promise<Users> {
    const users = new Users(new Child([join(__dirname, 'users.js')]));
    await users.child.ask({ do: 'start', ...plan });
    return users;
  }

  /** What ended since the last time. */
  take(): Promise<UserRecord[]> {
    return this.child.ask<UserRecord[]>({ do: 'take' });
  }

  /** Lets what is under way end. */
  async stop(): Promise<UserRecord[]> {
    await this.child.ask({ do: 'stop' });
    const left = await this.take();
    this.child.end();
    return left;
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}
