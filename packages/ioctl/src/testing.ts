export { type ContractCase, type ContractContext, contract } from './contract.js';
export { type MemoryDevice, MemoryDriver } from './memory-driver.js';
