import { openMemoryOutbox } from '../../../../agent/publish/outbox/memory.ts';
import { outboxContract } from './contract.ts';

outboxContract('the outbox in memory', openMemoryOutbox);
