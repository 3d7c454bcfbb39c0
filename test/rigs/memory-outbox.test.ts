import { outboxContract } from '../agent/publish/outbox/contract.ts';
import { openMemoryOutbox } from './memory-outbox.ts';

outboxContract('the outbox in memory', openMemoryOutbox);
