import { openMemoryOutbox } from '../../../agent/publish/outbox.ts';
import { outboxContract } from './outbox-contract.ts';

outboxContract('the outbox in memory', openMemoryOutbox);
